package server

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

// pending is an accepted socket that is no connection yet: first its PROXY header is read, then its address is judged, then its TLS
// handshake is made, as far as the listener has these. It counts toward limits and in Totals.Pending, and nothing else sees it.
//
// Several may want to decide on it: the engine's loop, the timer of the handshake timeout, TLS, and a drain. See admissions.
type pending struct {
	owner  *listener
	socket transport.Socket // the raw one
	local  netip.AddrPort
	relay  *relay        // nil without a PROXY header
	limit  time.Duration // the handshake timeout when it began
	timer  *time.Timer

	// mu is held while the header is looked at, and by the timer until the connection is opened that begins without one: the engine's
	// loop waits so long, as the calls of an endpoint must not overlap. It is the first of the server's locks.
	mu          sync.Mutex
	header      proxyHeader
	remote      netip.AddrPort // the socket's, then the client's
	peer        event.Peer     // from the header
	opened      bool           // the engine's loop has begun, and the socket may be written to
	overdue     bool           // the timeout passed before that
	handshaking bool           // TLS has the socket
	late        bool           // the timeout ended the handshake, and TLS will tell how far it was
	counted     bool           // in Server.addresses
	refused     bool           // nothing is to be done for it any more
}

// awaitHeader returns the endpoint of a balancer's socket.
func (l *listener) awaitHeader(socket transport.Socket, remote, local netip.AddrPort) transport.Endpoint {
	p := &pending{owner: l, socket: socket, remote: remote, local: local, relay: &relay{}}
	p.relay.pending.Store(p)
	p.start()
	return p.relay
}

// awaitHandshake returns the endpoint of a socket that begins with a TLS handshake. Its address is judged already.
func (l *listener) awaitHandshake(socket transport.Socket, remote, local netip.AddrPort, counted bool) transport.Endpoint {
	p := &pending{owner: l, socket: socket, remote: remote, local: local, counted: counted, handshaking: true}
	p.start()
	return l.server.tls.Server(socket, l.config.TLS, p)
}

// start begins the admission and its timeout.
func (p *pending) start() {
	s := p.owner.server
	s.admissions.begin(p)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit = s.limits.Load().HandshakeTimeout
	p.timer = time.AfterFunc(p.limit, p.expire)
}

// begin is the first call of the engine's loop.
func (p *pending) begin() {
	p.mu.Lock()
	p.opened = true
	overdue := p.overdue
	p.mu.Unlock()
	if overdue {
		p.expire()
	}
}

// receive takes bytes of the header, and returns those behind it when there is an endpoint for them.
func (p *pending) receive(b []byte, at moment) []byte {
	p.mu.Lock()
	switch {
	case p.relay.then != nil: // the timer was faster
		p.mu.Unlock()
		return b
	case p.refused:
		p.mu.Unlock()
		return nil
	}
	n, state, err := p.header.add(b)
	var r refusal
	switch {
	case err != nil:
		r = badHeader(err)
	case state == headerComplete:
		r = p.readHeader()
	case state == headerAbsent:
		r = p.proceedWithout("the first bytes are not those of a PROXY header")
	}
	then := p.relay.then
	p.mu.Unlock()
	if !p.goOn(then, r, at) {
		return nil
	}
	return b[n:]
}

// finish ends the waiting for a header when no more bytes will come, and reports whether there is an endpoint to be told of that.
func (p *pending) finish(how string) bool {
	p.mu.Lock()
	if p.relay.then != nil || p.refused {
		p.mu.Unlock()
		return !p.refused
	}
	missing := fmt.Sprintf("the peer %s before its PROXY header was complete", how)
	r := refusal{reason: event.ReasonProxyHeader, text: missing}
	if p.undecided() {
		r = p.proceedWithout(missing)
	}
	then := p.relay.then
	p.mu.Unlock()
	return p.goOn(then, r, p.owner.server.now())
}

// closed follows the end of the socket; it reports whether there is an endpoint to be told of that.
func (p *pending) closed() bool {
	p.refuse(refusal{reason: event.ReasonProxyHeader, text: "the socket failed before the PROXY header was complete"}) // unless it is decided
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.relay.then != nil
}

// undecided reports whether what came may be the beginning of a header, or that of something else.
func (p *pending) undecided() bool {
	_, state, _ := measureHeader(p.header.bytes)
	return state == headerUndecided
}

// readHeader goes on behind a complete header. The caller holds mu.
func (p *pending) readHeader() refusal {
	h, err := parseHeader(p.header.bytes)
	if err != nil {
		return badHeader(err)
	}
	p.header.bytes = nil
	p.peer = h.peer
	if h.remote.IsValid() {
		p.peer.Proxy, p.remote = p.remote, h.remote
	}
	return p.proceed()
}

// badHeader is the refusal of a header that is wrong.
func badHeader(err error) refusal {
	return refusal{reason: event.ReasonProxyHeader, text: "the PROXY header is malformed: " + err.Error()}
}

// proceedWithout goes on without a header, where none is required; what came is data. The caller holds mu.
func (p *pending) proceedWithout(missing string) refusal {
	if p.owner.config.Proxy == ProxyRequired {
		return refusal{reason: event.ReasonProxyHeader, text: missing}
	}
	return p.proceed()
}

// proceed judges the address, and then has the connection admitted, or TLS begin. The caller holds mu.
func (p *pending) proceed() (r refusal) {
	l := p.owner
	if p.counted, r = l.server.judge(p.remote); r.refuses() {
		return r
	}
	if l.config.TLS != nil {
		p.handshaking = true
		p.relay.then = l.server.tls.Server(p.socket, l.config.TLS, p)
		return refusal{}
	}
	var peer *event.Peer
	if p.peer != (event.Peer{}) {
		peer = new(p.peer)
	}
	c, r := p.admit(p.socket, peer)
	if c != nil {
		p.relay.then = endpoint{c}
	}
	return r
}

// goOn follows a look at the header: it refuses the connection, or opens what is behind the header, if that is so far. It reports whether
// there is an endpoint for the socket's calls. The engine's loop calls it.
func (p *pending) goOn(then transport.Endpoint, r refusal, at moment) bool {
	if r.refuses() {
		p.refuse(r)
	}
	if then == nil {
		return false
	}
	p.relay.pending.Store(nil)
	p.open(then, at)
	return true
}

// open opens what is behind the header, and gives it what came in place of one.
func (p *pending) open(then transport.Endpoint, at moment) {
	then.Opened()
	if len(p.header.bytes) > 0 {
		then.Received(p.header.bytes, at)
	}
}

// expire is the handshake timeout.
func (p *pending) expire() {
	p.mu.Lock()
	r := p.timeOut()
	p.mu.Unlock()
	if r.refuses() {
		p.refuse(r)
	}
}

// timeOut ends what lasts too long; but a connection that may do without a header begins without one: its client may wait for the server to
// speak first. The caller holds mu.
func (p *pending) timeOut() refusal {
	switch {
	case p.refused:
		return refusal{}
	case p.handshaking:
		if p.settle() {
			p.late = true
			p.socket.Close(false) // of which TLS tells Broken
		}
		return refusal{}
	case p.relay.then != nil:
		return refusal{}
	case p.owner.config.Proxy == ProxyRequired || !p.undecided():
		return refusal{reason: event.ReasonProxyTimeout, text: fmt.Sprintf("the PROXY header was not complete within %s", p.limit)}
	case p.owner.config.TLS != nil:
		return refusal{reason: event.ReasonTLSTimeout, text: fmt.Sprintf("neither a PROXY header nor a TLS handshake had begun within %s", p.limit)}
	case !p.opened:
		p.overdue = true
		return refusal{}
	}
	r := p.proceed()
	if then := p.relay.then; then != nil {
		p.open(then, p.owner.server.now())
		p.relay.pending.Store(nil) // not before: the engine's loop waits for mu
	}
	return r
}

// admit registers the connection with the socket that speaks plaintext. It returns nil when somebody else has decided, or with a refusal.
func (p *pending) admit(socket transport.Socket, peer *event.Peer) (*Conn, refusal) {
	l, identity := p.owner, ""
	if peer != nil {
		identity = peer.Identity
	}
	if text, yes := l.server.banned(addressOf(p.remote), identity); yes {
		return nil, refusal{reason: event.ReasonBanned, text: text}
	}
	if !p.settle() {
		return nil, refusal{}
	}
	c := l.server.newConn(l, socket, p.remote, p.local, peer)
	l.register(c, p.counted)
	l.server.admissions.decided()
	return c, refusal{}
}

// settle makes the caller the one who decides; false when somebody else is.
func (p *pending) settle() bool {
	if !p.owner.server.admissions.take(p) {
		return false
	}
	p.timer.Stop()
	return true
}

// refuse refuses the connection and closes its socket, unless somebody else has decided. The caller does not hold mu.
func (p *pending) refuse(r refusal) {
	if p.settle() {
		p.conclude(r)
		p.socket.Close(false)
	}
}

// conclude counts the refusal that the caller has decided on, and gives the place back. The caller does not hold mu.
func (p *pending) conclude(r refusal) {
	p.mu.Lock()
	p.refused = true // so that the address is not judged, and counted, after this
	remote, counted := p.remote, p.counted
	p.mu.Unlock()
	if counted {
		p.owner.server.addresses.remove(addressOf(remote))
	}
	p.owner.turnAway(r, remote)
	p.owner.server.admissions.decided()
}
