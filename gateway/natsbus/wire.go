package natsbus

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	// dialTimeout is how long making a connection may take, and again how long the handshakes after it may.
	dialTimeout = 5 * time.Second
	// stallTimeout is how long a write may wait until the other end takes a byte.
	stallTimeout = 2 * time.Second
	// chunk is the number of bytes of one write, so that a slow link can be told from one that stands still.
	chunk = 32 << 10
)

// dialer makes connections that abort can cut off, because the NATS client cannot be interrupted while it dials or
// shakes hands.
type dialer struct {
	server *server.Server // the embedded server; nil over the network
	ctx    context.Context
	cut    context.CancelFunc

	mu   sync.Mutex
	last net.Conn
}

func newDialer(s *server.Server) *dialer {
	d := &dialer{server: s}
	d.ctx, d.cut = context.WithCancel(context.Background())
	return d
}

// Dial connects to an external server for the NATS client, within dialTimeout.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(d.ctx, dialTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return d.keep(conn)
}

// InProcessConn connects to the embedded server for the NATS client.
func (d *dialer) InProcessConn() (net.Conn, error) {
	conn, err := d.server.InProcessConn()
	if err != nil {
		return nil, err
	}
	return d.keep(conn)
}

// keep remembers the connection for abort, or closes it if abort has been called.
func (d *dialer) keep(conn net.Conn) (net.Conn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.ctx.Err(); err != nil {
		_ = conn.Close()
		return nil, err
	}
	d.last = conn
	return &wire{conn}, nil
}

// abort closes the connection, and ends every attempt to make one, now and later.
func (d *dialer) abort() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cut()
	if d.last != nil {
		_ = d.last.Close()
	}
}

// wire is a connection that closes itself when a write fails. The NATS client would forget the bytes that it could not
// write, subscriptions among them, and go on if none of them went out. A closed connection makes it reconnect and
// resubscribe.
type wire struct{ net.Conn }

// Write writes all of p, as long as the other end takes a byte within each stallTimeout.
func (w *wire) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		_ = w.Conn.SetWriteDeadline(time.Now().Add(stallTimeout)) // an error shows in the write
		var written int
		written, err = w.Conn.Write(p[n:min(n+chunk, len(p))])
		n += written
	}
	if err != nil {
		_ = w.Close()
	}
	return n, err
}

// SetDeadline sets the deadline for reading. Writes have their own.
func (w *wire) SetDeadline(t time.Time) error { return w.SetReadDeadline(t) }

// SetWriteDeadline does nothing, because Write sets its own deadline.
func (w *wire) SetWriteDeadline(time.Time) error { return nil }
