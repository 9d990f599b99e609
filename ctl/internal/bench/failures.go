package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"unicode"

	"github.com/sockgate/sockgate/ctl/internal/app"
)

// The names of failures; they are keys of the JSON output.
const (
	failureMismatch = "mismatch" // other bytes came back than were sent
	failureOther    = "other"
)

// failures counts failures by name. The names are few in any case.
type failures struct {
	mu     sync.Mutex
	counts map[string]int64
	text   string // of the first one
}

func (f *failures) add(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.counts == nil {
		f.counts, f.text = make(map[string]int64), err.Error()
	}
	name := failureName(err)
	if name == failureMismatch && f.counts[name] == 0 {
		f.text = err.Error() // a mismatch is the gravest failure
	}
	f.counts[name]++
}

// first is the text to show for all of them: the first failure's, or the first mismatch's.
func (f *failures) first() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.text
}

// all is a copy of the counts.
func (f *failures) all() map[string]int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.counts == nil {
		return map[string]int64{}
	}
	return maps.Clone(f.counts)
}

func (f *failures) total() (n int64) {
	for _, count := range f.all() {
		n += count
	}
	return n
}

// failureName is the one table from errors to names.
func failureName(err error) string {
	var mismatch *mismatchError
	switch {
	case errors.As(err, &mismatch):
		return failureMismatch
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNABORTED):
		return "reset"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "closedByPeer"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err,
		syscall.ETIMEDOUT):
		return "timedOut"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "noDescriptors"
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EADDRINUSE):
		return "noLocalPorts"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.ENOENT):
		return "unreachable"
	case app.IsTLSError(err):
		return "tls"
	case app.StatusOf(err) != nil:
		return "controlPlane"
	default:
		return failureOther
	}
}

// advise notes the remedy for failures that are this machine's.
func (b *benchmark) advise() {
	counts := b.failures.all()
	if counts["noLocalPorts"] > 0 {
		b.note("this machine ran out of local ports: name more local addresses with --source, or widen " +
			"net.ipv4.ip_local_port_range")
	}
	if counts["noDescriptors"] > 0 {
		b.note("this process or machine ran out of descriptors: raise ulimit -n, or open fewer connections")
	}
}

// failuresText is "3 (closed by peer 1, reset 2)".
func failuresText(counts map[string]int64) string {
	var sum int64
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		sum += counts[name]
		parts = append(parts, fmt.Sprintf("%s %d", words(name), counts[name]))
	}
	if sum == 0 {
		return "0"
	}
	return fmt.Sprintf("%d (%s)", sum, strings.Join(parts, ", "))
}

// words writes a name of JSON as people do: closedByPeer is closed by peer.
func words(name string) string {
	var b strings.Builder
	for _, r := range name {
		if unicode.IsUpper(r) {
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// controlError is a call to the control plane that failed in the middle of a benchmark.
type controlError struct{ err error }

func (e *controlError) Error() string { return app.Sentence(e.err) }

func (e *controlError) Unwrap() error { return e.err }
