package server

import (
	"net/netip"
	"sync"

	"github.com/sockgate/sockgate/gateway/event"
)

// kernel is a socket without a descriptor, whose kernel takes as many bytes as the test says. Its lock stands for an
// engine's.
type kernel struct {
	mu       sync.Mutex
	end      endpoint
	room     int // bytes that it still takes
	paused   bool
	flushing bool
	closed   bool
}

func (k *kernel) TryWrite(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := min(k.room, len(p))
	k.room -= n
	return n, nil
}

func (k *kernel) set(field *bool, to bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	*field = to
}

func (k *kernel) is(field *bool) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return *field
}

func (k *kernel) Pause()              { k.set(&k.paused, true) }
func (k *kernel) Resume()             { k.set(&k.paused, false) }
func (k *kernel) Close(bool)          { k.set(&k.closed, true) }
func (k *kernel) Unacknowledged() int { return 0 }
func (k *kernel) Gone() bool          { return false }
func (k *kernel) CloseWrite() error   { return nil }

func (k *kernel) Flush() bool {
	k.set(&k.flushing, true)
	return true
}

// take makes the kernel take up to n queued bytes.
func (k *kernel) take(n int) {
	for n > 0 && k.is(&k.flushing) && !k.is(&k.closed) {
		p, _ := k.end.NextWrite()
		if len(p) == 0 {
			k.set(&k.flushing, false)
			return
		}
		p = p[:min(n, len(p))]
		k.end.Wrote(len(p), nil)
		n -= len(p)
	}
}

// finish does the work of a loop for a socket that was told to close.
func (k *kernel) finish() { k.end.Closed() }

// answering is a handler that sends back the received bytes. Like handler.Echo, it ends a connection when the answer
// does not fit.
type answering struct{ BaseHandler }

func (answering) Data(c *Conn, p []byte) {
	if o, _ := c.Send(p); o == OutcomeDroppedBudget {
		c.Abort(ReasonQueueBudget)
	}
}

// idleServer returns a server that does not listen. Its event log ends with the test.
func idleServer(t interface {
	Fatal(...any)
	Cleanup(func())
}, config Config) *Server {
	config.Node = "test"
	config.Listeners = []ListenerConfig{{Name: "main", Address: "127.0.0.1:0"}}
	if config.Handler == nil {
		config.Handler = answering{}
	}
	s, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	s.listeners[0].Label = &event.Listener{Name: "main"}
	t.Cleanup(s.log.Close)
	return s
}

// connect admits a connection from an address; "" is any.
func (s *Server) connect(t interface {
	Helper()
	Fatalf(string, ...any)
}, remote string, room int) *kernel {
	t.Helper()
	if remote == "" {
		remote = "192.0.2.1:1234"
	}
	k := &kernel{room: room}
	end, ok := s.listeners[0].Admit(k, netip.MustParseAddrPort(remote),
		netip.MustParseAddrPort("192.0.2.2:8017")).(endpoint)
	if !ok {
		t.Fatalf("a connection from %s is refused", remote)
	}
	k.end = end
	k.end.Opened()
	return k
}

// changeLimits changes the limits in force.
func (s *Server) changeLimits(change func(*Limits)) {
	l := *s.limits.Load()
	change(&l)
	s.limits.Store(&l)
}
