package remote_test

import (
	"bytes"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/remote"
)

// lines is a writer for any goroutine.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestStuckCall holds that a call that takes long is logged once, and leaves the lane attached.
func TestStuckCall(t *testing.T) {
	var log lines
	h := newScript(func(*remote.Conn, []byte) { time.Sleep(time.Minute) })
	logger := hclog.New(&hclog.LoggerOptions{Output: &log})
	play(t, remote.Config{Logger: logger}, h, func(t *testing.T, f *fake, p *program) {
		s, began := f.greet(), time.Now()
		s.deliver(opened(1, 0), data(1, 1, "x"))
		s.mustCommand(`1@0 ""`)
		s.mustCommand(`1@1 ""`)
		if n := strings.Count(log.String(), "holds up all connections"); n != 1 || time.Since(began) != time.Minute {
			t.Errorf("it was logged %d times in %s:\n%s", n, time.Since(began), log.String())
		}
		if s.empty < 20 {
			t.Errorf("%d signs of life in a minute", s.empty)
		}
		p.stop()
	})
}

// TestGoexit holds that a handler that ends its goroutine ends Serve, and that its bytes are not acknowledged.
func TestGoexit(t *testing.T) {
	seen := newWitness()
	h := &quitter{witness: seen}
	play(t, remote.Config{}, h, func(t *testing.T, f *fake, p *program) {
		s := f.greet()
		s.deliver(opened(1, 0), data(1, 1, "x"))
		if err := p.wait(); err == nil || !strings.Contains(err.Error(), "runtime.Goexit") {
			t.Errorf("Serve returned %v", err)
		}
		s.closedByProgram()
		seen.mustBe(t, "open 1", "moved 1")
	})
}

// quitter ends the goroutine that calls it.
type quitter struct{ *witness }

func (quitter) Data(*remote.Conn, []byte) { runtime.Goexit() }
