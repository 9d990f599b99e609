package control

import (
	"net"
	"sync"
	"sync/atomic"
)

// boundedListener keeps at most limit connections open, closes what comes beyond them at once, and can close them all: gRPC
// waits for connections that have not said a word before it stops.
type boundedListener struct {
	net.Listener
	limit   int
	refused func()

	mu    sync.Mutex
	conns map[*boundedConn]struct{}
	full  bool // takes nobody any more, because it stops
}

// boundedConn leaves its listener's set when it is closed.
type boundedConn struct {
	net.Conn
	listener *boundedListener
	spoke    atomic.Bool // has sent a byte
}

// Read notes that the client has spoken.
func (c *boundedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && !c.spoke.Load() {
		c.spoke.Store(true)
	}
	return n, err
}

func newBoundedListener(l net.Listener, limit int, refused func()) *boundedListener {
	return &boundedListener{Listener: l, limit: limit, refused: refused, conns: make(map[*boundedConn]struct{})}
}

// Accept returns the next connection for which there is room.
func (l *boundedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c := l.add(conn); c != nil {
			return c, nil
		}
		_ = conn.Close() // nothing was promised
		l.refused()
	}
}

func (l *boundedListener) add(conn net.Conn) *boundedConn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full || len(l.conns) >= l.limit {
		return nil
	}
	c := &boundedConn{Conn: conn, listener: l}
	l.conns[c] = struct{}{}
	return c
}

// Close closes the connection and makes room for another.
func (c *boundedConn) Close() error {
	c.listener.mu.Lock()
	delete(c.listener.conns, c)
	c.listener.mu.Unlock()
	return c.Conn.Close()
}

// closeSilent takes no more connections and closes those that have not sent a byte.
func (l *boundedListener) closeSilent() {
	l.mu.Lock()
	l.full = true
	l.mu.Unlock()
	l.closeThose(func(c *boundedConn) bool { return !c.spoke.Load() })
}

// closeAll closes every connection.
func (l *boundedListener) closeAll() { l.closeThose(func(*boundedConn) bool { return true }) }

func (l *boundedListener) closeThose(these func(*boundedConn) bool) {
	l.mu.Lock()
	var open []net.Conn
	for c := range l.conns {
		if these(c) {
			open = append(open, c.Conn)
		}
	}
	l.mu.Unlock()
	for _, c := range open {
		_ = c.Close() // it is being given up
	}
}
