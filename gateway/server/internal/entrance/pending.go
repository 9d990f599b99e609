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

// pending is an accepted socket that is not a connection yet. The entrance first reads its PROXY header, then judges
// its address, then does its TLS handshake. It skips a step that the listener does not have. A pending socket counts
// toward limits and in Totals.Pending, and nothing else sees it.
//
// The engine's loop, the handshake timeout, TLS and a drain may all decide on it at once; see Table.
type pending struct {
	owner  *Entrance
	socket transport.Socket // the raw socket
	local  netip.AddrPort
	relay  *relay        // nil without a PROXY header
	limit  time.Duration // the handshake timeout when the admission began
	timer  *time.Timer
	began  transport.Moment

	// origin, and the places in Table.waiting and Entrance.waiting, are guarded by the table's lock. The places are nil
	// when the connection is decided.
	origin              origin
	inTable, inEntrance *member

	// mu is held while the header is examined. The timer also holds it while it opens a connection without a header. The
	// engine's loop waits meanwhile, because the calls of an endpoint must not overlap. Lock order: docs/locks.md.
	mu          sync.Mutex
	header      proxyheader.Header
	remote      netip.AddrPort // the socket's address, then the client's from the header
	peer        event.Peer     // details from the header
	opened      bool           // the engine's loop has begun, and the socket may be written to
	overdue     bool           // the timeout passed before opened was set
	handshaking bool           // TLS has the socket
	late        bool           // the timeout ended the handshake, and TLS will say how far it had come
	counted     bool           // in the counts of Entrance.Addresses
	refused     bool           // the connection is refused; nothing more is done for it
	told        bool           // the refusal is recorded already: its handshake gave way
}

// start begins the admission and its timeout.
func (p *pending) start() {
	p.began = p.owner.Clock.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit, _ = p.owner.House.Handshakes()
	p.timer = time.AfterFunc(p.limit, p.expire)
	p.owner.Table.begin(p)
}

// begin notes that the engine's loop has begun, and catches up on a timeout that passed before.
func (p *pending) begin() {
	p.mu.Lock()
	p.opened = true
	overdue := p.overdue
	p.mu.Unlock()
	if overdue {
		p.expire()
	}
}

// receive takes bytes of the header. It returns the bytes behind the header if an endpoint takes them.
func (p *pending) receive(b []byte, at transport.Moment) []byte {
	p.mu.Lock()
	switch {
	case p.relay.then != nil: // the timer came first
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

// finish ends the wait for a header, because no more bytes will come. It reports whether an endpoint must be told of
// the end.
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

// closed handles the end of the socket. It reports whether an endpoint must be told.
func (p *pending) closed() bool {
	// Does nothing when the connection is decided already.
	p.refuse(admission.Refusal{Reason: event.ReasonProxyHeader,
		Text: "the socket failed before the PROXY header was complete"})
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.relay.then != nil
}

// undecided reports whether the bytes so far may be the beginning of a header, or of something else.
func (p *pending) undecided() bool {
	_, state, _ := proxyheader.Measure(p.header.Bytes)
	return state == proxyheader.Undecided
}

// readHeader parses a complete header and goes on behind it. The caller holds mu.
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

// badHeader returns the refusal of a malformed header.
func badHeader(err error) admission.Refusal {
	return admission.Refusal{Reason: event.ReasonProxyHeader, Text: "the PROXY header is malformed: " + err.Error()}
}

// proceedWithout goes on without a header, with all bytes as data, unless a header is required. The caller holds mu.
func (p *pending) proceedWithout(missing string) admission.Refusal {
	if p.owner.Required {
		return admission.Refusal{Reason: event.ReasonProxyHeader, Text: missing}
	}
	return p.proceed()
}

// proceed judges the address, and then admits the connection or begins its TLS handshake. The caller holds mu.
func (p *pending) proceed() (r admission.Refusal) {
	e := p.owner
	if p.counted, r = e.Addresses.Judge(p.remote); r.Refuses() {
		return r
	}
	from := admission.OriginOf(p.remote)
	e.Table.move(p, from)
	if e.TLS != nil {
		p.handshaking = true
		p.relay.then = e.Layer.Server(p.socket, from, e.TLS, p)
		return admission.Refusal{}
	}
	var peer *event.Peer
	if p.peer != (event.Peer{}) {
		peer = new(p.peer)
	}
	p.relay.then, r = p.admit(p.socket, peer)
	return r
}

// goOn acts on the examined header: it refuses the connection with r, or opens the endpoint behind the header. It
// reports whether an endpoint takes the socket's calls. Only the engine's loop calls it.
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

// open opens the endpoint behind the header. It passes on bytes that came where a header might have been.
func (p *pending) open(then transport.Endpoint, at transport.Moment) {
	then.Opened()
	if len(p.header.Bytes) > 0 {
		then.Received(p.header.Bytes, at)
	}
}

// expire handles the handshake timeout.
func (p *pending) expire() {
	p.mu.Lock()
	r := p.timeOut()
	p.mu.Unlock()
	if r.Refuses() {
		p.refuse(r)
	}
}

// timeOut ends an admission that took too long. A connection that may come without a header is admitted without one,
// because its client may be waiting for the server to speak first. The caller holds mu.
func (p *pending) timeOut() admission.Refusal {
	switch {
	case p.refused:
		return admission.Refusal{}
	case p.handshaking:
		if p.settle() {
			p.late = true
			p.socket.Close(false) // TLS then calls Broken
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
		p.relay.pending.Store(nil) // only now: until then the engine's loop has to wait for mu
	}
	return r
}

// admit registers the connection with a socket that speaks plaintext. It returns nil without a refusal when another
// goroutine has decided already.
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

// settle gives the decision on the connection to the caller; false when another goroutine has it already.
func (p *pending) settle() bool {
	if !p.owner.Table.take(p) {
		return false
	}
	p.timer.Stop()
	return true
}

// refuse refuses the connection and closes its socket, unless another goroutine has decided. The caller does not hold
// mu.
func (p *pending) refuse(r admission.Refusal) {
	if p.settle() {
		p.conclude(r)
		p.socket.Close(false)
	}
}

// conclude carries out a refusal that the caller has settled: it counts it and releases the place. The caller does not
// hold mu.
func (p *pending) conclude(r admission.Refusal) {
	p.mu.Lock()
	p.refused = true // keeps the address from being judged and counted later
	remote, counted, told := p.remote, p.counted, p.told
	p.mu.Unlock()
	if counted {
		p.owner.Addresses.Remove(admission.AddressOf(remote))
	}
	if !told {
		p.owner.House.Refuse(r, remote)
	}
	p.owner.House.Release()
	p.owner.Table.decided()
}
