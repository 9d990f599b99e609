package entrance

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/admission"
	"github.com/sockgate/sockgate/gateway/server/internal/proxyheader"
	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

// pending is an accepted socket that is no connection yet: first its PROXY header is read, then its address is judged,
// then its TLS handshake is made, as far as the listener has these. It counts toward limits and in Totals.Pending, and
// nothing else sees it.
//
// Several may want to decide on it: the engine's loop, the timer of the handshake timeout, TLS, and a drain. See
// Table.
type pending struct {
	owner  *Entrance
	socket transport.Socket // the raw one
	local  netip.AddrPort
	relay  *relay        // nil without a PROXY header
	limit  time.Duration // the handshake timeout when it began
	timer  *time.Timer

	// mu is held while the header is looked at, and by the timer until the connection is opened that begins without
	// one: the engine's loop waits so long, as the calls of an endpoint must not overlap. It is the first of the
	// server's locks.
	mu          sync.Mutex
	header      proxyheader.Header
	remote      netip.AddrPort // the socket's, then the client's
	peer        event.Peer     // from the header
	opened      bool           // the engine's loop has begun, and the socket may be written to
	overdue     bool           // the timeout passed before that
	handshaking bool           // TLS has the socket
	late        bool           // the timeout ended the handshake, and TLS will tell how far it was
	counted     bool           // in Entrance.Addresses
	refused     bool           // nothing is to be done for it any more
}

// start begins the admission and its timeout.
func (p *pending) start() {
	p.owner.Table.begin(p)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit, _ = p.owner.House.Handshakes()
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
func (p *pending) receive(b []byte, at transport.Moment) []byte {
	p.mu.Lock()
	switch {
	case p.relay.then != nil: // the timer was faster
		p.mu.Unlock()
		return b
	case p.refused:
		p.mu.Unlock()
		return nil
	}
	n, state, err := p.header.Add(b)
	var r admission.Refusal
	switch {
	case err != nil:
		r = badHeader(err)
	case state == proxyheader.Complete:
		r = p.readHeader()
	case state == proxyheader.Absent:
		r = p.proceedWithout("the first bytes are not those of a PROXY header")
	}
	then := p.relay.then
	p.mu.Unlock()
	if !p.goOn(then, r, at) {
		return nil
	}
	return b[n:]
}

// finish ends the waiting for a header when no more bytes will come, and reports whether there is an endpoint to be
// told of that.
func (p *pending) finish(how string) bool {
	p.mu.Lock()
	if p.relay.then != nil || p.refused {
		p.mu.Unlock()
		return !p.refused
	}
	missing := fmt.Sprintf("the peer %s before its PROXY header was complete", how)
	r := admission.Refusal{Reason: event.ReasonProxyHeader, Text: missing}
	if p.undecided() {
		r = p.proceedWithout(missing)
	}
	then := p.relay.then
	p.mu.Unlock()
	return p.goOn(then, r, p.owner.Clock.Now())
}

// closed follows the end of the socket; it reports whether there is an endpoint to be told of that.
func (p *pending) closed() bool {
	// unless it is decided
	p.refuse(admission.Refusal{Reason: event.ReasonProxyHeader,
		Text: "the socket failed before the PROXY header was complete"})
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.relay.then != nil
}

// undecided reports whether what came may be the beginning of a header, or that of something else.
func (p *pending) undecided() bool {
	_, state, _ := proxyheader.Measure(p.header.Bytes)
	return state == proxyheader.Undecided
}

// readHeader goes on behind a complete header. The caller holds mu.
func (p *pending) readHeader() admission.Refusal {
	h, err := proxyheader.Parse(p.header.Bytes)
	if err != nil {
		return badHeader(err)
	}
	p.header.Bytes = nil
	p.peer = h.Peer
	if h.Remote.IsValid() {
		p.peer.Proxy, p.remote = p.remote, h.Remote
	}
	return p.proceed()
}

// badHeader is the refusal of a header that is wrong.
func badHeader(err error) admission.Refusal {
	return admission.Refusal{Reason: event.ReasonProxyHeader, Text: "the PROXY header is malformed: " + err.Error()}
}

// proceedWithout goes on without a header, where none is required; what came is data. The caller holds mu.
func (p *pending) proceedWithout(missing string) admission.Refusal {
	if p.owner.Required {
		return admission.Refusal{Reason: event.ReasonProxyHeader, Text: missing}
	}
	return p.proceed()
}

// proceed judges the address, and then has the connection admitted, or TLS begin. The caller holds mu.
func (p *pending) proceed() (r admission.Refusal) {
	e := p.owner
	if p.counted, r = e.Addresses.Judge(p.remote); r.Refuses() {
		return r
	}
	if e.TLS != nil {
		p.handshaking = true
		p.relay.then = e.Layer.Server(p.socket, e.TLS, p)
		return admission.Refusal{}
	}
	var peer *event.Peer
	if p.peer != (event.Peer{}) {
		peer = new(p.peer)
	}
	p.relay.then, r = p.admit(p.socket, peer)
	return r
}

// goOn follows a look at the header: it refuses the connection, or opens what is behind the header, if that is so far.
// It reports whether there is an endpoint for the socket's calls. The engine's loop calls it.
func (p *pending) goOn(then transport.Endpoint, r admission.Refusal, at transport.Moment) bool {
	if r.Refuses() {
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
func (p *pending) open(then transport.Endpoint, at transport.Moment) {
	then.Opened()
	if len(p.header.Bytes) > 0 {
		then.Received(p.header.Bytes, at)
	}
}

// expire is the handshake timeout.
func (p *pending) expire() {
	p.mu.Lock()
	r := p.timeOut()
	p.mu.Unlock()
	if r.Refuses() {
		p.refuse(r)
	}
}

// timeOut ends what lasts too long; but a connection that may do without a header begins without one: its client may
// wait for the server to speak first. The caller holds mu.
func (p *pending) timeOut() admission.Refusal {
	switch {
	case p.refused:
		return admission.Refusal{}
	case p.handshaking:
		if p.settle() {
			p.late = true
			p.socket.Close(false) // TLS tells Broken
		}
		return admission.Refusal{}
	case p.relay.then != nil:
		return admission.Refusal{}
	case p.owner.Required || !p.undecided():
		return admission.Refusal{Reason: event.ReasonProxyTimeout,
			Text: fmt.Sprintf("the PROXY header was not complete within %s", p.limit)}
	case p.owner.TLS != nil:
		return admission.Refusal{Reason: event.ReasonTLSTimeout,
			Text: fmt.Sprintf("neither a PROXY header nor a TLS handshake had begun within %s", p.limit)}
	case !p.opened:
		p.overdue = true
		return admission.Refusal{}
	}
	r := p.proceed()
	if then := p.relay.then; then != nil {
		p.open(then, p.owner.Clock.Now())
		p.relay.pending.Store(nil) // not before: the engine's loop waits for mu
	}
	return r
}

// admit registers the connection with the socket that speaks plaintext. It returns nil when somebody else has decided,
// or with a refusal.
func (p *pending) admit(socket transport.Socket, peer *event.Peer) (transport.Endpoint, admission.Refusal) {
	e, identity := p.owner, ""
	if peer != nil {
		identity = peer.Identity
	}
	if text, yes := e.Addresses.Banned(admission.AddressOf(p.remote), identity); yes {
		return nil, admission.Refusal{Reason: event.ReasonBanned, Text: text}
	}
	if !p.settle() {
		return nil, admission.Refusal{}
	}
	then := e.House.Open(socket, p.remote, p.local, peer, p.counted)
	e.Table.decided()
	return then, admission.Refusal{}
}

// settle makes the caller decide on the connection; false when another goroutine does.
func (p *pending) settle() bool {
	if !p.owner.Table.take(p) {
		return false
	}
	p.timer.Stop()
	return true
}

// refuse refuses the connection and closes its socket, unless somebody else has decided. The caller does not hold mu.
func (p *pending) refuse(r admission.Refusal) {
	if p.settle() {
		p.conclude(r)
		p.socket.Close(false)
	}
}

// conclude counts the refusal that the caller has decided on, and gives the place back. The caller does not hold mu.
func (p *pending) conclude(r admission.Refusal) {
	p.mu.Lock()
	p.refused = true // so that the address is not judged, and counted, after this
	remote, counted := p.remote, p.counted
	p.mu.Unlock()
	if counted {
		p.owner.Addresses.Remove(admission.AddressOf(remote))
	}
	p.owner.House.TurnAway(r, remote)
	p.owner.Table.decided()
}
