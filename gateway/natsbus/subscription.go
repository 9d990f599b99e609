package natsbus

import (
	"slices"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
)

// maxPending is the most bytes that wait for one subscription; what comes beyond it is dropped, and counted by the library.
const maxPending = 64 << 20

// subscription is one of the bus, which outlives connections.
type subscription struct {
	subject string
	deliver func(subject string, data []byte)
	current *nats.Subscription // on the connection of now; run's alone

	mu    sync.Mutex // held during deliver
	ended bool
}

// handle delivers a message. Every message has a slice of its own.
func (s *subscription) handle(m *nats.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.deliver(m.Subject, m.Data)
	}
}

// end waits for deliver, which is not called any more then.
func (s *subscription) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
}

// add makes a subscription one of the bus.
func (b *Bus) add(c *client, s *subscription) {
	b.mu.Lock()
	b.all = append(b.all, s)
	b.mu.Unlock()
	if c != nil {
		b.open(c, s)
	}
}

// remove takes one out.
func (b *Bus) remove(s *subscription) {
	b.mu.Lock()
	b.all = slices.DeleteFunc(b.all, func(other *subscription) bool { return other == s })
	b.mu.Unlock()
	if s.current != nil {
		_ = s.current.Unsubscribe() // fails when the connection is closed, and it with it
	}
}

// open subscribes on a connection; the library does so again after each time that it is lost.
func (b *Bus) open(c *client, s *subscription) {
	var err error
	if s.current, err = c.Subscribe(s.subject, s.handle); err != nil {
		b.log.Debug("subscribing failed: it is done again with the next connection", "subject", s.subject, "error", err)
		return // the connection is closed, which run is about to see
	}
	c.serves.Add(1)
	done := sync.OnceFunc(c.serves.Done)
	s.current.SetClosedHandler(func(string) { done() })
	if !s.current.IsValid() { // closed meanwhile: it may not have seen the handler
		done()
	}
	if err := s.current.SetPendingLimits(-1, maxPending); err != nil {
		b.log.Debug("a subscription ended before it had its limit", "subject", s.subject, "error", err)
	}
}

// validSubject reports whether a subject is words with dots between them.
func validSubject(subject string) bool {
	return !strings.ContainsAny(subject, " \t\r\n") && !slices.Contains(strings.Split(subject, "."), "")
}
