package server

import (
	"net"
	"net/netip"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/admission"
	"github.com/sockgate/sockgate/gateway/server/internal/bind"
	"github.com/sockgate/sockgate/gateway/server/internal/door"
	"github.com/sockgate/sockgate/gateway/server/internal/framing"
	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

// patience is the age from which a pending connection may give way to a newcomer. A handshake with a distant peer takes
// a few hundred milliseconds. The age also bounds how many handshakes a flood begins a second.
const patience = 500 * time.Millisecond

// listener accepts connections on one address.
type listener struct {
	server *Server
	framed bool // received bytes are cut into frames
	more   int  // more room for the handler's sends: a frame's
	config ListenerConfig
	*door.Door

	rules   framing.Rules
	drainer Drainer // the handler, if it is one; else nil
	idler   Idler   // the handler, if it is one; else nil
}

func newListener(s *Server, house *door.House, config ListenerConfig) *listener {
	l := &listener{server: s, config: config, rules: config.rules(), framed: config.framed()}
	if l.framed {
		l.more = config.MaxFrame
	}
	l.drainer, _ = config.Handler.(Drainer)
	l.idler, _ = config.Handler.(Idler)
	l.Door = door.New(house, door.Config{Name: config.Name, Address: config.Address, TLS: config.TLS,
		Proxied: config.Proxy != ProxyOff, Required: config.Proxy == ProxyRequired, Trusted: config.ProxyTrusted,
		Open: l.admit})
	l.Failures, l.Refusals = &s.counters.AcceptErrors, &s.counters.Refusals
	return l
}

// house returns what the listeners share.
func (s *Server) house() *door.House {
	return &door.House{Places: &s.registry, Admissions: &s.admissions, Addresses: &s.addresses, Clock: s.clock,
		Layer: s.tls, Log: s.log, Logger: s.config.Logger, Limits: s.admissionLimits}
}

// admissionLimits returns the limits in force for a listener.
func (s *Server) admissionLimits(listener string) door.Limits {
	l := s.limits.Load()
	limits := door.Limits{Connections: l.MaxConnections, HandshakeTimeout: l.HandshakeTimeout,
		MaxHandshakes: l.MaxHandshakes}
	if len(l.ListenerConnections) > 0 {
		limits.Own = l.ListenerConnections[listener]
	}
	return limits
}

// Listen opens an address in the operator's notation: `host:port`, or `unix:///path`. It replaces the socket file of a
// process that has ended. Closing the listener removes its socket file. The error names the address and says what to
// do.
func Listen(address string) (net.Listener, error) { return bind.Listen(address) }

// admit turns an admitted socket into a registered connection.
func (l *listener) admit(socket transport.Socket, remote, local netip.AddrPort, peer *event.Peer,
	counted bool) transport.Endpoint {
	c := l.server.newConn(l, socket, remote, local, peer)
	l.register(c, counted)
	return endpoint{c}
}

// register makes an admitted connection live: it gets its seq, verbs find it, and the Connected event is published.
// Counted says whether its address is counted already.
//
// A verb that adds a ban or starts to count addresses publishes that first, and walks the registry afterwards. This
// function does the reverse: it registers the connection first, and looks at the bans and the counting afterwards. So
// at least one of the two notices the other.
func (l *listener) register(c *Conn, counted bool) {
	if counted {
		c.flags |= flagCounted // no other goroutine has the connection yet
	}
	l.Places.Admit()
	l.server.counters.Accepted.Add(1)
	l.server.registry.Add(c)
	c.publishConnected()
	if !counted && l.server.addresses.Counting.Load() {
		c.countAddress()
	}
	c.endIfBanned()
}

// publishConnected publishes the Connected event. It holds mu from the event until listed is set, so that no reader
// sees one without the other. A snapshot therefore either has the connection or is followed by the event.
func (c *Conn) publishConnected() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listed = c.owner.server.log.Append(&event.Event{Type: event.Connected, Conn: c.info()})
}

// newConn returns a connection that is not registered yet. Peer is nil when only the address is known.
func (s *Server) newConn(l *listener, socket transport.Socket, remote, local netip.AddrPort, peer *event.Peer) *Conn {
	now := s.now()
	c := &Conn{
		owner:  l,
		socket: socket,
		identity: &event.Identity{Origin: s.origin, Listener: l.Label, ConnectedAt: s.at(now), Remote: remote, Local: local,
			Peer: peer},
	}
	c.active.Store(int64(now))
	return c
}

// countAddress counts a connection that was admitted before counting began. It counts a connection once.
func (c *Conn) countAddress() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.has(flagCounted|flagClosed) || !c.identity.Remote.IsValid() {
		return
	}
	c.flags |= flagCounted
	c.owner.server.addresses.Add(admission.AddressOf(c.identity.Remote))
}

// uncountAddress removes a closed connection from the counts, if it is in them.
func (c *Conn) uncountAddress() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.has(flagCounted) {
		c.flags &^= flagCounted
		c.owner.server.addresses.Remove(admission.AddressOf(c.identity.Remote))
	}
}
