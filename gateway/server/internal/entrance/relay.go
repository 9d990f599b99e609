package entrance

import (
	"sync/atomic"

	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

// relay is the endpoint of a socket that begins, or may begin, with a PROXY header. Its calls go to the pending until
// the header is read, and from then on to what is behind it: TLS, or the connection. It stays for the life of the
// socket, and so is small.
type relay struct {
	then    transport.Endpoint      // nil until the header is read, and when the connection is refused
	pending atomic.Pointer[pending] // nil when all calls go to then
}

// Opened is the first call of the socket's loop.
func (r *relay) Opened() { r.pending.Load().begin() }

// Received has the header, or what is behind it.
func (r *relay) Received(b []byte, at transport.Moment) {
	if p := r.pending.Load(); p != nil {
		if b = p.receive(b, at); len(b) == 0 {
			return
		}
	}
	r.then.Received(b, at)
}

// Ended is the peer's FIN.
func (r *relay) Ended() {
	if p := r.pending.Load(); p == nil || p.finish("finished") {
		r.then.Ended()
	}
}

// Failed is an error of reading.
func (r *relay) Failed(err error) {
	if p := r.pending.Load(); p == nil || p.finish("was lost: "+transport.ErrorText(err)) {
		r.then.Failed(err)
	}
}

// NextWrite is called only for what the connection wrote.
func (r *relay) NextWrite() ([]byte, transport.Moment) { return r.then.NextWrite() }

// Wrote follows NextWrite.
func (r *relay) Wrote(n int, err error) { r.then.Wrote(n, err) }

// Closed is the last call.
func (r *relay) Closed() {
	if p := r.pending.Load(); p == nil || p.closed() {
		r.then.Closed()
	}
}
