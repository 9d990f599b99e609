package server

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/ipnet"
	"github.com/sockgate/sockgate/gateway/server/internal/admission"
	"github.com/sockgate/sockgate/gateway/server/internal/bind"
	"github.com/sockgate/sockgate/gateway/server/internal/entrance"
	"github.com/sockgate/sockgate/gateway/server/internal/framing"
	"github.com/sockgate/sockgate/gateway/server/internal/registry"
	"github.com/sockgate/sockgate/gateway/server/internal/transport"
	"github.com/sockgate/sockgate/gateway/server/internal/trouble"
)

// patience is the age from which a pending connection may give way to a newcomer. A handshake with a distant peer takes
// a few hundred milliseconds. The age also bounds how many handshakes a flood begins a second.
const patience = 500 * time.Millisecond

// listener accepts connections on one address.
type listener struct {
	server   *Server
	framed   bool // received bytes are cut into frames
	more     int  // more room for the handler's sends: a frame's
	config   ListenerConfig
	net      net.Listener
	acceptor transport.Acceptor // nil until Serve
	name     *event.Listener
	open     atomic.Bool
	entrance *entrance.Entrance
	places   registry.Places // taken by its connections
	trusted  ipnet.Set       // balancers that may send PROXY headers
	*trouble.Trouble

	rules   framing.Rules
	drainer Drainer // the handler, if it is one; else nil
	idler   Idler   // the handler, if it is one; else nil
}

func newListener(s *Server, config ListenerConfig) *listener {
	l := &listener{server: s, config: config, trusted: ipnet.NewSet(config.ProxyTrusted)}
	l.entrance = &entrance.Entrance{House: l, Table: &s.admissions, Addresses: &s.addresses, Clock: s.clock,
		Layer: s.tls, TLS: config.TLS, Required: config.Proxy == ProxyRequired}
	l.drainer, _ = config.Handler.(Drainer)
	l.idler, _ = config.Handler.(Idler)
	l.rules = config.rules()
	if l.framed = config.framed(); l.framed {
		l.more = config.MaxFrame
	}
	l.Trouble = trouble.New(s.log, s.config.Logger, config.Name, l.peerAddress)
	l.Failures, l.Refusals = &s.counters.AcceptErrors, &s.counters.Refusals
	return l
}

// Listen opens an address in the operator's notation: `host:port`, or `unix:///path`. It replaces the socket file of a
// process that has ended. Closing the listener removes its socket file. The error names the address and says what to
// do.
func Listen(address string) (net.Listener, error) { return bind.Listen(address) }

// bind opens the listener's address.
func (l *listener) bind() error {
	ln, err := bind.Listen(l.config.Address)
	if err != nil {
		return fmt.Errorf("listener %q: %w", l.config.Name, err)
	}
	l.net = ln
	l.name = &event.Listener{Name: l.config.Name}
	if path, ok := strings.CutPrefix(l.config.Address, bind.UnixScheme); ok {
		l.name.Unix = path
	}
	l.open.Store(true)
	return nil
}

// address returns the bound address in the operator's notation.
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

// close stops accepting. When it returns, no new connection comes, and connections that wait in the kernel are reset.
// It leaves pending connections to entrance.Table.RefuseAll.
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
	l.StopFailures()
}

// accept makes the engine accept connections.
func (l *listener) accept() (err error) {
	l.acceptor, err = l.server.engine.Accept(l.net, l)
	return err
}

// peerAddress returns a peer's address as text: for a unix socket the listener's path.
func (l *listener) peerAddress(remote netip.AddrPort) string {
	return (&event.Identity{Listener: l.name, Remote: remote}).RemoteAddr()
}

// Admit decides on an accepted socket. It makes the cheapest checks first, so that a full server and an attack cost
// little. A socket that has to send a PROXY header or TLS handshake first becomes pending. Any other is a connection or
// refused at once.
func (l *listener) Admit(socket transport.Socket, remote, local netip.AddrPort) transport.Endpoint {
	l.Accepted()
	if r := l.reserve(remote); r.Refuses() {
		l.Refuse(r, remote)
		return nil
	}
	balancer := l.config.Proxy != ProxyOff && l.trusts(remote)
	if balancer { // its own address matters no more
		return l.entrance.AwaitHeader(socket, remote, local)
	}
	if l.config.Proxy == ProxyRequired {
		l.TurnAway(admission.Refusal{Reason: event.ReasonProxyUntrusted,
			Text: "the peer is none of the trusted balancers, and a PROXY header is required"}, remote)
		return nil
	}
	counted, r := l.server.addresses.Judge(remote)
	if r.Refuses() {
		l.TurnAway(r, remote)
		return nil
	}
	if l.config.TLS != nil {
		return l.entrance.AwaitHandshake(socket, remote, local, counted)
	}
	return l.Open(socket, remote, local, nil, counted)
}

// Open turns an admitted socket into a registered connection.
func (l *listener) Open(socket transport.Socket, remote, local netip.AddrPort, peer *event.Peer,
	counted bool) transport.Endpoint {
	c := l.server.newConn(l, socket, remote, local, peer)
	l.register(c, counted)
	return endpoint{c}
}

// Handshakes returns the limits on admissions in force.
func (l *listener) Handshakes() (timeout time.Duration, most int) {
	limits := l.server.limits.Load()
	return limits.HandshakeTimeout, limits.MaxHandshakes
}

// Panicked logs a panic of the listener's TLS configuration.
func (l *listener) Panicked(p *transport.PanicError) {
	l.server.config.Logger.Error("the TLS configuration panicked", "listener", l.config.Name, "panic",
		event.ShortText(fmt.Sprint(p.Value)), "stack", string(p.Stack))
}

// reserve takes a place for a newcomer, or returns the limit that is reached. At a limit, a pending connection of the
// address that has the most gives way.
func (l *listener) reserve(remote netip.AddrPort) admission.Refusal {
	s := l.server
	limits := s.limits.Load()
	r := admission.Refusal{Reason: event.ReasonConnectionLimit, Limit: limits.MaxConnections}
	if !s.registry.Reserve(r.Limit) &&
		!(s.admissions.MakeRoom(remote, r, s.clock.Now()) && s.registry.Reserve(r.Limit)) {
		return r
	}
	limit := 0
	if len(limits.ListenerConnections) > 0 {
		limit = limits.ListenerConnections[l.config.Name]
	}
	r = admission.Refusal{Reason: event.ReasonListenerLimit, Limit: limit}
	if !l.places.Reserve(limit) && !(l.entrance.MakeRoom(remote, r) && l.places.Reserve(limit)) {
		s.registry.Release()
		return r
	}
	return admission.Refusal{}
}

// Release gives back the place of a refused connection.
func (l *listener) Release() {
	l.places.Release()
	l.server.registry.Release()
}

// TurnAway refuses a connection that has a place.
func (l *listener) TurnAway(r admission.Refusal, remote netip.AddrPort) {
	l.Refuse(r, remote)
	l.Release()
}

// trusts reports whether the peer is a balancer whose PROXY header is believed. On a unix socket every peer is, because
// the rights of the socket file decide which processes may connect.
func (l *listener) trusts(remote netip.AddrPort) bool {
	return l.name.Unix != "" || l.trusted.Contains(admission.AddressOf(remote))
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
	l.places.Admit()
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
		identity: &event.Identity{Origin: s.origin, Listener: l.name, ConnectedAt: s.at(now), Remote: remote, Local: local,
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
