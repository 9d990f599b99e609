package natsbus

import (
	"slices"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
)

// maxPending is the most bytes that wait for one subscription. The library drops and counts the messages beyond it.
const maxPending = 64 << 20

// subscription is a subscription of the bus. It outlives connections.
type subscription struct {
	subject string
	deliver func(subject string, data []byte)
	current *nats.Subscription // on the present connection; only run uses it

	mu    sync.Mutex // held during deliver
	ended bool
}

// handle delivers a message. Every message has a slice of its own, which deliver may keep.
func (s *subscription) handle(m *nats.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.deliver(m.Subject, m.Data)
	}
}

// end waits for deliver to return, and keeps it from being called again.
func (s *subscription) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
}

// add adds a subscription to the bus, and opens it if there is a client.
func (b *Bus) add(c *client, s *subscription) {
	b.mu.Lock()
	b.all = append(b.all, s)
	b.mu.Unlock()
	if c != nil {
		b.open(c, s)
	}
}

// remove takes a subscription out of the bus and closes it on its connection.
func (b *Bus) remove(s *subscription) {
	b.mu.Lock()
	b.all = slices.DeleteFunc(b.all, func(other *subscription) bool { return other == s })
	b.mu.Unlock()
	if s.current != nil {
		_ = s.current.Unsubscribe() // fails if the connection is closed: that closed the subscription too
	}
}

// open subscribes on a client. The library resubscribes whenever it reconnects.
func (b *Bus) open(c *client, s *subscription) {
	var err error
	if s.current, err = c.Subscribe(s.subject, s.handle); err != nil {
		b.log.Debug("subscribing failed: it is done again with the next connection", "subject", s.subject, "error", err)
		return // the client is closed: run sees that next, and makes another
	}
	c.serves.Add(1)
	done := sync.OnceFunc(c.serves.Done)
	s.current.SetClosedHandler(func(string) { done() })
	if !s.current.IsValid() { // closed meanwhile, perhaps before it had the handler
		done()
	}
	if err := s.current.SetPendingLimits(-1, maxPending); err != nil {
		b.log.Debug("a subscription ended before it had its limit", "subject", s.subject, "error", err)
	}
}

// validSubject reports whether a subject is one or more words separated by dots.
func validSubject(subject string) bool {
	return !strings.ContainsAny(subject, " \t\r\n") && !slices.Contains(strings.Split(subject, "."), "")
}
