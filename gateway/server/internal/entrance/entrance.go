// Package entrance is the stage between accept and a connection. It reads the PROXY header, has the address judged, and
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

// House owns the connections that an Entrance admits. Its methods may be called from any goroutine, with the lock of
// the pending connection held or not, and must not block.
type House interface {
	// Handshakes returns the limits in force: how long an admission may take, and the most TLS handshakes under way at
	// once.
	Handshakes() (timeout time.Duration, most int)
	// Open turns an admitted socket into a connection and returns its endpoint. Peer is nil when only the address is
	// known. Counted says whether the address is counted already.
	Open(socket transport.Socket, remote, local netip.AddrPort, peer *event.Peer, counted bool) transport.Endpoint
	// Refuse records a refused connection. Its place is still taken.
	Refuse(r admission.Refusal, remote netip.AddrPort)
	// Release gives the place of a refused connection back.
	Release()
	// Panicked records a panic of the TLS configuration.
	Panicked(p *transport.PanicError)
}

// Entrance admits the sockets of one listener. Its fields do not change once it is in use. Its methods may be called
// from any goroutine.
type Entrance struct {
	House     House                // owner of the admitted connections
	Table     *Table               // pending connections of the server
	Addresses *admission.Addresses // judge of addresses
	Clock     transport.Clock      // the engine's clock
	Layer     *transport.TLS       // the server's TLS handshakes
	TLS       *tls.Config          // nil for plain TCP
	Required  bool                 // whether a connection must begin with a PROXY header
	waiting   crowd                // pending connections of the listener; guarded by Table's lock
}

// AwaitHeader returns the endpoint of a balancer's socket, which begins or may begin with a PROXY header.
func (e *Entrance) AwaitHeader(socket transport.Socket, remote, local netip.AddrPort) transport.Endpoint {
	p := &pending{owner: e, socket: socket, remote: remote, local: local, relay: &relay{}}
	p.origin.alone = p
	p.relay.pending.Store(p)
	p.start()
	return p.relay
}

// AwaitHandshake returns the endpoint of a socket that begins with a TLS handshake. Its address was judged already;
// counted is the result.
func (e *Entrance) AwaitHandshake(socket transport.Socket, remote, local netip.AddrPort,
	counted bool) transport.Endpoint {
	p := &pending{owner: e, socket: socket, remote: remote, local: local, counted: counted, handshaking: true}
	p.origin.address = admission.OriginOf(remote)
	p.start()
	return e.Layer.Server(socket, p.origin.address, e.TLS, p)
}
