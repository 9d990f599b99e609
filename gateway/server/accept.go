package server

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
)

// Accept errors are tried again after minBackoff, doubled each time up to maxBackoff, as net/http does.
const (
	minBackoff = 5 * time.Millisecond
	maxBackoff = time.Second
)

// listener accepts connections on one address.
type listener struct {
	server *Server
	config ListenerConfig
	net    net.Listener
	name   *event.Listener
	open   atomic.Bool
	conns  atomic.Int64
	failed failures // to accept
	denied failures // for the limit
}

func newListener(s *Server, config ListenerConfig) *listener {
	l := &listener{server: s, config: config}
	l.failed.report, l.denied.report = l.report(event.OpAccept), l.report(event.OpLimit)
	return l
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

// accept takes connections until the listener is closed. Errors, for want of descriptors for example, slow it and make an
// event a second at most; they never end it.
func (l *listener) accept() {
	defer l.failed.stop()
	defer l.denied.stop()
	var backoff time.Duration
	for {
		conn, err := l.net.Accept()
		switch {
		case err == nil:
			backoff = 0
			l.admit(conn)
			continue
		case errors.Is(err, net.ErrClosed):
			return
		}
		l.fail(err)
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

// fail notes an error of accepting.
func (l *listener) fail(err error) {
	l.server.counters.acceptErrors.Add(1)
	l.failed.add(shortText(errorText(err)))
}

// report makes an event of the failures of one kind.
func (l *listener) report(op event.Operation) func(string, uint64) {
	warning := "accepting failed"
	if op == event.OpLimit {
		warning = "connections refused"
	}
	return func(message string, count uint64) {
		l.server.config.Logger.Warn(warning, "listener", l.config.Name, "operation", op, "error", message, "count", count)
		l.server.log.Append(&event.Event{Type: event.Error,
			Detail: &event.ErrorDetail{Operation: op, Message: message, Count: count, Listener: l.config.Name}})
	}
}

// admit makes a connection of an accepted socket, or closes it when the limit is reached.
func (l *listener) admit(conn net.Conn) {
	s := l.server
	if !s.registry.reserve(s.config.MaxConnections) {
		s.counters.refused.Add(1)
		_ = conn.Close() // nothing can be done about an error, and nothing was promised
		l.denied.add(fmt.Sprintf("the limit of %d connections is reached: new connections are closed at once", s.config.MaxConnections))
		return
	}
	c, err := s.newConn(l, conn)
	if err != nil {
		s.registry.release()
		_ = conn.Close()
		l.fail(err)
		return
	}
	l.conns.Add(1)
	s.counters.accepted.Add(1)
	s.registry.add(c)
	c.publishConnected()
	c.socket.Start(endpoint{c})
}

// publishConnected publishes the Connected event. With mu held, nobody sees the connection between the event and its
// position: a snapshot either has it or is followed by the event.
func (c *Conn) publishConnected() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listed = c.server.log.Append(&event.Event{Type: event.Connected, Conn: c.info()})
}

func (s *Server) newConn(l *listener, conn net.Conn) (*Conn, error) {
	c := &Conn{
		server:  s,
		handler: l.config.Handler,
		owner:   l,
		identity: &event.Identity{Origin: s.origin, Listener: l.name, ConnectedAt: time.Now(),
			Remote: addrPort(conn.RemoteAddr()), Local: addrPort(conn.LocalAddr())},
	}
	c.active.Store(int64(s.now()))
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
