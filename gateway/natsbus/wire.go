package natsbus

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	// dialTimeout is how long making a connection may take, and then the handshakes once more.
	dialTimeout = 5 * time.Second
	// stallTimeout is how long a write may go without the other end taking anything.
	stallTimeout = 2 * time.Second
	// chunk is how much is written at once, so that a slow link is told from one that stands still.
	chunk = 32 << 10
)

// dialer makes connections that can be cut off from outside: the client of NATS cannot be interrupted while it dials or shakes hands.
type dialer struct {
	server *server.Server // nil: over the network
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

// Dial is what the client of NATS calls.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(d.ctx, dialTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return d.keep(conn)
}

// InProcessConn is what it calls for a server in this process.
func (d *dialer) InProcessConn() (net.Conn, error) {
	conn, err := d.server.InProcessConn()
	if err != nil {
		return nil, err
	}
	return d.keep(conn)
}

// keep remembers the connection, unless everything is cut off already.
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

// abort cuts off the connection, and every attempt to make one, now and later.
func (d *dialer) abort() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cut()
	if d.last != nil {
		_ = d.last.Close()
	}
}

// wire is a connection that is over when a write fails. The client of NATS forgets what it could not write, subscriptions too, and goes on
// when nothing of it went out; here it has to connect again, and then subscribes again.
type wire struct{ net.Conn }

// Write writes all of p as long as the other end takes something every now and then.
func (w *wire) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		_ = w.Conn.SetWriteDeadline(time.Now().Add(stallTimeout)) // the write says what is wrong
		var written int
		written, err = w.Conn.Write(p[n:min(n+chunk, len(p))])
		n += written
	}
	if err != nil {
		_ = w.Close()
	}
	return n, err
}

// SetDeadline sets that for reading: writes have their own.
func (w *wire) SetDeadline(t time.Time) error { return w.SetReadDeadline(t) }

// SetWriteDeadline does nothing.
func (w *wire) SetWriteDeadline(time.Time) error { return nil }
