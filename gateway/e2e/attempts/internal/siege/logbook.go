//go:build linux

package siege

import (
	"bytes"
	"regexp"
	"strings"
	"sync"
)

var (
	listeningLine = regexp.MustCompile(`listening: listener=(\S+) address=(\S+)`)
	controlLine   = regexp.MustCompile(`control plane listening: address=(\S+)`)
)

// Logbook takes a gateway's log: it counts it, finds the addresses in it, and keeps its end.
type Logbook struct {
	listening chan struct{} // closed when the control plane's address is known

	mu        sync.Mutex
	bytes     int64
	part      []byte // of a line, until all addresses are known
	tail      []byte
	addresses map[string]string
}

func newLogbook() *Logbook {
	return &Logbook{listening: make(chan struct{}), addresses: make(map[string]string)}
}

// Write takes a part of the log.
func (l *Logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bytes += int64(len(p))
	const most = 64 << 10
	l.tail = append(l.tail, p...)
	if len(l.tail) > 2*most {
		l.tail = append(l.tail[:0], l.tail[len(l.tail)-most:]...)
	}
	if l.addresses["control"] == "" {
		l.part = append(l.part, p...)
		l.findAddresses()
	}
	return len(p), nil
}

// findAddresses reads the whole lines. The caller holds mu.
func (l *Logbook) findAddresses() {
	for {
		line, rest, whole := bytes.Cut(l.part, []byte("\n"))
		if !whole {
			return
		}
		l.part = rest
		if m := controlLine.FindSubmatch(line); m != nil {
			l.addresses["control"] = string(m[1])
			close(l.listening)
			return
		}
		if m := listeningLine.FindSubmatch(line); m != nil {
			l.addresses[string(m[1])] = string(m[2])
		}
	}
}

func (l *Logbook) address(name string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.addresses[name]
}

// Bytes returns how many bytes were logged.
func (l *Logbook) Bytes() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bytes
}

// Tail returns the end of the log.
func (l *Logbook) Tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.tail)
}

// Last returns the last lines of the log, cut where they are long.
func (l *Logbook) Last() string {
	lines := strings.Split(strings.TrimSpace(l.Tail()), "\n")
	lines = lines[max(0, len(lines)-3):]
	for i, line := range lines {
		lines[i] = line[:min(len(line), 200)]
	}
	return strings.Join(lines, " / ")
}
