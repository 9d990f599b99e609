package server

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/transport"
)

// Accept errors are tried again after minBackoff, doubled each time up to maxBackoff, as net/http does.
const (
	minBackoff = 5 * time.Millisecond
	maxBackoff = time.Second
)

// listener accepts connections on one address.
type listener struct {
	server   *Server
	config   ListenerConfig
	net      net.Listener
	acceptor transport.Acceptor // nil until Serve
	backoff  atomic.Int64       // nanoseconds; how long accepting waited after the last error; 0 after a connection
	name     *event.Listener
	open     atomic.Bool
	conns    atomic.Int64
	failed   failures // to accept
	denied   failures // for the limit
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

// close stops accepting; when it returns, no connection will be admitted any more, and connections that wait in the kernel are reset.
func (l *listener) close() {
	if l.net == nil || !l.open.CompareAndSwap(true, false) {
		return
	}
	ending := l.net.Close
	if l.acceptor != nil {
		ending = l.acceptor.Close
	}
	if err := ending(); err != nil {
		l.server.config.Logger.Warn("closing a listener failed", "listener", l.config.Name, "error", err)
	}
	l.failed.stop()
	l.denied.stop()
}

// accept begins to take connections.
func (l *listener) accept() (err error) {
	l.acceptor, err = l.server.engine.Accept(l.net, l)
	return err
}

// AcceptFailed notes an error of accepting, for want of descriptors for example: it slows accepting and makes an event a second at
// most; it never ends it.
func (l *listener) AcceptFailed(err error) time.Duration {
	l.fail(err)
	last := l.backoff.Load()
	wait := min(maxBackoff, max(minBackoff, 2*time.Duration(last)))
	l.backoff.CompareAndSwap(last, int64(wait))
	return wait
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

// Admit makes a connection of an accepted socket, or refuses it when the limit is reached.
func (l *listener) Admit(socket transport.Socket, remote, local netip.AddrPort) transport.Endpoint {
	s := l.server
	if l.backoff.Load() != 0 {
		l.backoff.Store(0)
	}
	if text, yes := s.banned(remote.Addr(), ""); yes {
		s.counters.refused.Add(1)
		l.denied.add(text)
		return nil
	}
	if !s.registry.reserve(s.limits.Load().MaxConnections) {
		s.counters.refused.Add(1)
		l.denied.add(fmt.Sprintf("the limit of %d connections is reached: new connections are closed at once", s.limits.Load().MaxConnections))
		return nil
	}
	c := s.newConn(l, socket, remote, local)
	l.conns.Add(1)
	s.counters.accepted.Add(1)
	s.registry.add(c)
	c.publishConnected()
	c.endIfBanned()
	return endpoint{c}
}

// publishConnected publishes the Connected event. With mu held, nobody sees the connection between the event and its
// position: a snapshot either has it or is followed by the event.
func (c *Conn) publishConnected() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listed = c.owner.server.log.Append(&event.Event{Type: event.Connected, Conn: c.info()})
}

func (s *Server) newConn(l *listener, socket transport.Socket, remote, local netip.AddrPort) *Conn {
	now := s.now()
	c := &Conn{
		owner:    l,
		socket:   socket,
		identity: &event.Identity{Origin: s.origin, Listener: l.name, ConnectedAt: s.at(now), Remote: remote, Local: local},
	}
	c.active.Store(int64(now))
	return c
}
