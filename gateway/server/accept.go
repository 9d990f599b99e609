package server

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
)

// Accept errors are tried again after minBackoff, doubled each time up to maxBackoff, as net/http does.
const (
	minBackoff = 5 * time.Millisecond
	maxBackoff = time.Second
)

// refusalPeriod is how often refusals make an event at most, so that a flood of them cannot flood the log.
const refusalPeriod = time.Second

// listener accepts connections on one address.
type listener struct {
	server *Server
	config ListenerConfig
	net    net.Listener
	name   *event.Listener
	open   atomic.Bool
	conns  atomic.Int64

	mu       sync.Mutex
	refusals uint64      // since the last event
	reporter *time.Timer // reports them; nil while there is nothing to report
}

// bind opens the address.
func (l *listener) bind() error {
	ln, err := Listen(l.config.Address)
	if err != nil {
		return fmt.Errorf("listener %q: %w", l.config.Name, err)
	}
	l.net = ln
	l.name = &event.Listener{Name: l.config.Name}
	if path, ok := strings.CutPrefix(l.config.Address, unixScheme); ok {
		l.name.Unix = path
	}
	l.open.Store(true)
	return nil
}

// address returns the bound address, as users see it.
func (l *listener) address() string {
	switch {
	case l.net == nil:
		return l.config.Address
	case l.name.Unix != "":
		return "unix:" + l.name.Unix
	}
	return l.net.Addr().String()
}

func (l *listener) detail() *event.ListenerDetail {
	return &event.ListenerDetail{Name: l.config.Name, Address: l.address()}
}

// close stops accepting; connections that wait in the kernel are reset.
func (l *listener) close() {
	if l.net == nil || !l.open.CompareAndSwap(true, false) {
		return
	}
	if err := l.net.Close(); err != nil {
		l.server.config.Logger.Warn("closing a listener failed", "listener", l.config.Name, "error", err)
	}
}

// accept takes connections until the listener is closed. Errors, for want of descriptors for example, slow it and make one
// event for each run of them; they never end it.
func (l *listener) accept() {
	var backoff time.Duration
	for {
		conn, err := l.net.Accept()
		switch {
		case err == nil:
			backoff = 0
			l.admit(conn)
			continue
		case errors.Is(err, net.ErrClosed):
			l.reportRefusals()
			return
		}
		l.server.counters.acceptErrors.Add(1)
		if backoff == 0 {
			l.report(&event.ErrorDetail{Operation: event.OpAccept, Message: errorText(err), Count: 1})
		}
		backoff = min(maxBackoff, max(minBackoff, 2*backoff))
		l.server.wait(backoff)
	}
}

// wait pauses, unless a drain begins.
func (s *Server) wait(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.drainSet:
	}
}

func (l *listener) report(d *event.ErrorDetail) {
	d.Listener = l.config.Name
	l.server.config.Logger.Warn("accepting failed", "listener", d.Listener, "operation", d.Operation, "error", d.Message, "count", d.Count)
	l.server.log.Append(&event.Event{Type: event.Error, Detail: d})
}

// admit makes a connection of an accepted socket, or closes it when the limit is reached.
func (l *listener) admit(conn net.Conn) {
	s := l.server
	if !s.registry.reserve(s.config.MaxConnections) {
		s.counters.refused.Add(1)
		_ = conn.Close() // nothing can be done about an error, and nothing was promised
		l.refused()
		return
	}
	c, err := s.newConn(l, conn)
	if err != nil {
		s.registry.release()
		_ = conn.Close()
		s.counters.acceptErrors.Add(1)
		l.report(&event.ErrorDetail{Operation: event.OpAccept, Message: errorText(err), Count: 1})
		return
	}
	l.conns.Add(1)
	s.counters.accepted.Add(1)
	s.registry.add(c)
	c.listed.Store(s.log.Append(&event.Event{Type: event.Connected, Conn: c.Info()}))
	c.socket.Start(endpoint{c})
}

func (s *Server) newConn(l *listener, conn net.Conn) (*Conn, error) {
	now := time.Now()
	c := &Conn{
		server:  s,
		handler: l.config.Handler,
		owner:   l,
		identity: &event.Identity{Origin: s.origin, Listener: l.name, ConnectedAt: now,
			Remote: addrPort(conn.RemoteAddr()), Local: addrPort(conn.LocalAddr())},
	}
	c.active.Store(now.UnixNano())
	var err error
	c.socket, err = s.engine.Attach(conn)
	return c, err
}

func addrPort(a net.Addr) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		p := tcp.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	return netip.AddrPort{}
}

// refused notes a refusal: the first makes an event at once, those of the second after it one event together.
func (l *listener) refused() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refusals++
	if l.reporter == nil {
		l.publishRefusals()
		l.reporter = time.AfterFunc(refusalPeriod, l.reportRefusals)
	}
}

// reportRefusals publishes what has gathered, and goes on as long as something does.
func (l *listener) reportRefusals() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reporter == nil {
		return
	}
	if l.refusals == 0 {
		l.reporter.Stop()
		l.reporter = nil
		return
	}
	l.publishRefusals()
	l.reporter.Reset(refusalPeriod)
}

// publishRefusals makes one event of the refusals so far. The caller holds mu.
func (l *listener) publishRefusals() {
	l.report(&event.ErrorDetail{Operation: event.OpLimit, Count: l.refusals,
		Message: fmt.Sprintf("the limit of %d connections is reached; the new connection was closed", l.server.config.MaxConnections)})
	l.refusals = 0
}
