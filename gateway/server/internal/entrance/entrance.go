// Package entrance is the stage between accept and a connection: it reads the PROXY header, has the address judged, and
// waits for the TLS handshake.
package entrance

import (
	"crypto/tls"
	"net/netip"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/admission"
	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

// House has the connections that an entrance admits.
type House interface {
	// Handshakes returns the limits in force: how long an admission may take, and how many TLS handshakes are under way
	// at once.
	Handshakes() (timeout time.Duration, most int)
	// Open makes an admitted socket a connection. The peer is nil when nothing but its address is known; counted says
	// that the address is counted already.
	Open(socket transport.Socket, remote, local netip.AddrPort, peer *event.Peer, counted bool) transport.Endpoint
	// TurnAway notes that a connection is refused, and gives its place back.
	TurnAway(r admission.Refusal, remote netip.AddrPort)
	// Panicked notes a panic of the TLS configuration.
	Panicked(p *transport.PanicError)
}

// Entrance admits the sockets of one listener.
type Entrance struct {
	House     House
	Table     *Table // the server's
	Addresses *admission.Addresses
	Clock     transport.Clock // the engine's
	Layer     *transport.TLS
	TLS       *tls.Config // nil: plain TCP
	Required  bool        // connections must begin with a PROXY header
}

// AwaitHeader returns the endpoint of a balancer's socket.
func (e *Entrance) AwaitHeader(socket transport.Socket, remote, local netip.AddrPort) transport.Endpoint {
	p := &pending{owner: e, socket: socket, remote: remote, local: local, relay: &relay{}}
	p.relay.pending.Store(p)
	p.start()
	return p.relay
}

// AwaitHandshake returns the endpoint of a socket that begins with a TLS handshake. Its address is judged already.
func (e *Entrance) AwaitHandshake(socket transport.Socket, remote, local netip.AddrPort,
	counted bool) transport.Endpoint {
	p := &pending{owner: e, socket: socket, remote: remote, local: local, counted: counted, handshaking: true}
	p.start()
	return e.Layer.Server(socket, e.TLS, p)
}
