package entrance

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/certid"
	"github.com/sockgate/sockgate/gateway/server/internal/admission"
	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

// Established follows a complete TLS handshake. It admits the connection, now that the client has proven its identity
// if it had to, or refuses it.
func (p *pending) Established(socket transport.Socket, state tls.ConnectionState) transport.Endpoint {
	peer := tlsPeer(&state)
	peer.Proxy = p.peer.Proxy
	then, r := p.admit(socket, peer)
	switch {
	case then != nil:
		return then
	case r.Refuses():
		p.refuse(r)
	case p.timedOut():
		p.conclude(p.handshakeTimeout(nil))
	}
	return nil
}

// Broken follows a TLS handshake that failed or was cut off. It refuses the connection.
func (p *pending) Broken(err error) {
	if panicked := (*transport.PanicError)(nil); errors.As(err, &panicked) {
		p.owner.House.Panicked(panicked)
	}
	if p.settle() {
		p.conclude(badHandshake(err))
	} else if p.timedOut() {
		p.conclude(p.handshakeTimeout(err))
	}
}

// GaveWay follows the loss of a handshake's place to another one. It records the refusal. The connection stays pending
// until Broken.
func (p *pending) GaveWay(held, total int) {
	p.mu.Lock()
	tell := !p.refused
	p.told = true
	remote := p.remote
	p.mu.Unlock()
	if tell {
		p.owner.House.Refuse(admission.Refusal{Reason: event.ReasonHandshakeLimit,
			Text: fmt.Sprintf("%d of %d places for TLS handshakes were its address's, "+
				"and this one gave way to a newer one: it was the oldest that waited for its peer", held, total)}, remote)
	}
}

// timedOut reports whether the timeout has ended the handshake. The caller has called settle in vain.
func (p *pending) timedOut() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.late
}

// handshakeTimeout returns the refusal of a handshake that was not complete in time.
func (p *pending) handshakeTimeout(err error) admission.Refusal {
	if errors.Is(err, transport.ErrNoTurn) {
		_, most := p.owner.House.Handshakes()
		return admission.Refusal{Reason: event.ReasonHandshakeLimit,
			Text: fmt.Sprintf("%d TLS handshakes were under way, which is the limit, "+
				"or as many as its address may have of them, and no turn came within %s", most, p.limit)}
	}
	return admission.Refusal{Reason: event.ReasonTLSTimeout,
		Text: fmt.Sprintf("the TLS handshake was not complete within %s", p.limit)}
}

// badHandshake returns the refusal of a handshake that failed.
func badHandshake(err error) admission.Refusal {
	if errors.Is(err, transport.ErrGaveWay) { // GaveWay records it, unless it comes too late
		return admission.Refusal{Reason: event.ReasonHandshakeLimit, Text: transport.ErrGaveWay.Error()}
	}
	text := "the TLS handshake failed: " + transport.ErrorText(err)
	if errors.Is(err, net.ErrClosed) {
		text = "the client left during the TLS handshake"
	}
	return admission.Refusal{Reason: event.ReasonTLSHandshake, Text: text}
}

// tlsPeer returns the details of a client in its handshake. Only a verified certificate gives it an identity.
func tlsPeer(state *tls.ConnectionState) *event.Peer {
	peer := &event.Peer{TLSVersion: tls.VersionName(state.Version), Cipher: tls.CipherSuiteName(state.CipherSuite),
		Protocol: state.NegotiatedProtocol, ServerName: event.PeerText([]byte(state.ServerName))}
	if len(state.VerifiedChains) > 0 {
		peer.Identity = certid.Identity(state.VerifiedChains[0][0])
	}
	return peer
}
