package entrance

import (
	"sync/atomic"

	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

// relay is the endpoint of a socket that begins, or may begin, with a PROXY header. It passes calls to the pending
// socket until the header is read. From then on it passes them to the endpoint behind the header: TLS, or the
// connection. It lives as long as the socket and must be small.
type relay struct {
	then    transport.Endpoint      // nil until the header is read, and for a refused connection
	pending atomic.Pointer[pending] // nil once all calls go to then
}

// Opened implements transport.Endpoint.
func (r *relay) Opened() { r.pending.Load().begin() }

// Received implements transport.Endpoint: the bytes are of the header or behind it.
func (r *relay) Received(b []byte, at transport.Moment) {
	if p := r.pending.Load(); p != nil {
		if b = p.receive(b, at); len(b) == 0 {
			return
		}
	}
	r.then.Received(b, at)
}

// Ended implements transport.Endpoint.
func (r *relay) Ended() {
	if p := r.pending.Load(); p == nil || p.finish("finished") {
		r.then.Ended()
	}
}

// Failed implements transport.Endpoint.
func (r *relay) Failed(err error) {
	if p := r.pending.Load(); p == nil || p.finish("was lost: "+transport.ErrorText(err)) {
		r.then.Failed(err)
	}
}

// NextWrite implements transport.Endpoint. Only the endpoint behind the header writes, so then is set.
func (r *relay) NextWrite() ([]byte, transport.Moment) { return r.then.NextWrite() }

// Wrote implements transport.Endpoint.
func (r *relay) Wrote(n int, err error) { r.then.Wrote(n, err) }

// Closed implements transport.Endpoint.
func (r *relay) Closed() {
	if p := r.pending.Load(); p == nil || p.closed() {
		r.then.Closed()
	}
}
