package auth

import (
	"container/list"
	"net"
	"sync"
	"sync/atomic"
)

// Listener keeps at most a limit of connections open. It can close them all, because gRPC's graceful stop waits for
// connections that have not sent a byte.
//
// When the listener is full, the oldest connection without a proven identity is closed for a new one, so that clients
// without a proof keep no other client out. If every connection has one, the new connection is closed at once. An
// identity vouches for at most a quarter of the limit, so that no identity keeps another out.
//
// Its methods may be called from any goroutine.
type Listener struct {
	net.Listener
	limit   int
	share   int    // the most trusted connections of one identity
	refused func() // called for each connection that is closed because of the limit

	mu        sync.Mutex
	conns     map[*boundedConn]struct{}
	untrusted *list.List     // of *boundedConn, the oldest first: without a proven identity, or beyond an identity's share
	trusted   map[string]int // connections by the identity that vouches for them
	full      bool           // accepts no more connections, because it stops
}

// boundedConn leaves its listener's set when it is closed.
type boundedConn struct {
	net.Conn
	listener *Listener
	spoke    atomic.Bool // the client has sent a byte
	trusted  atomic.Bool
	place    *list.Element // in untrusted; nil: trusted or closed. Guarded by the listener's mu
	voucher  string        // the identity that vouches for it; empty: none, or one without a proof. Guarded likewise
}

// trust notes that a caller with a role uses the connection. Callers on loopback without a proof have no share, because
// they are many programs.
func (c *boundedConn) trust(caller *Caller) {
	if c.trusted.Load() {
		return
	}
	voucher := ""
	if caller.Proof != proofNone {
		voucher = usageKey(caller)
	}
	if c.listener.vouch(c, voucher) {
		c.trusted.Store(true)
	}
}

// vouch takes a connection out of the untrusted ones, unless its identity has its share of trusted ones already.
func (l *Listener) vouch(c *boundedConn, voucher string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.place == nil { // closed, or another call came first
		return false
	}
	if voucher != "" {
		if l.trusted[voucher] >= l.share {
			return false
		}
		l.trusted[voucher]++
		c.voucher = voucher
	}
	l.forgive(c)
	return true
}

// Read notes that the client has spoken.
func (c *boundedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && !c.spoke.Load() {
		c.spoke.Store(true)
	}
	return n, err
}

// NewListener returns a listener of at most limit connections, which must be at least 1. It owns l. It calls refused,
// in the goroutine of Accept, for each connection that it closes because it is full. refused must not block.
func NewListener(l net.Listener, limit int, refused func()) *Listener {
	return &Listener{Listener: l, limit: limit, share: max(1, limit/4), refused: refused,
		conns:     make(map[*boundedConn]struct{}),
		untrusted: list.New(), trusted: make(map[string]int)}
}

// Accept waits for a connection that the limit admits. The error is the inner listener's.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c, evicted := l.add(conn)
		if evicted != nil {
			_ = evicted.Close() // its client was promised nothing
			l.refused()
		}
		if c != nil {
			return c, nil
		}
	}
}

// add adds a connection. It returns the connection that must be closed for it, which is the new one itself if it was
// not added.
func (l *Listener) add(conn net.Conn) (added *boundedConn, evicted net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full {
		return nil, conn
	}
	if len(l.conns) >= l.limit {
		oldest := l.untrusted.Front()
		if oldest == nil {
			return nil, conn
		}
		c := oldest.Value.(*boundedConn)
		l.remove(c)
		evicted = c.Conn
	}
	c := &boundedConn{Conn: conn, listener: l}
	l.conns[c] = struct{}{}
	c.place = l.untrusted.PushBack(c)
	return c, evicted
}

// remove takes a connection out of the set. The caller holds mu.
func (l *Listener) remove(c *boundedConn) {
	delete(l.conns, c)
	l.forgive(c)
	if c.voucher == "" {
		return
	}
	if l.trusted[c.voucher]--; l.trusted[c.voucher] == 0 {
		delete(l.trusted, c.voucher)
	}
	c.voucher = ""
}

// forgive takes a connection out of the untrusted ones. The caller holds mu.
func (l *Listener) forgive(c *boundedConn) {
	if c.place != nil {
		l.untrusted.Remove(c.place)
		c.place = nil
	}
}

// Close closes the connection and makes room for another.
func (c *boundedConn) Close() error {
	c.listener.mu.Lock()
	c.listener.remove(c)
	c.listener.mu.Unlock()
	return c.Conn.Close()
}

// CloseSilent makes Accept close every new connection, and closes the connections whose client has not sent a byte.
func (l *Listener) CloseSilent() {
	l.mu.Lock()
	l.full = true
	l.mu.Unlock()
	l.closeThose(func(c *boundedConn) bool { return !c.spoke.Load() })
}

// CloseAll closes every open connection. Only Close, of the inner listener, ends Accept.
func (l *Listener) CloseAll() { l.closeThose(func(*boundedConn) bool { return true }) }

func (l *Listener) closeThose(these func(*boundedConn) bool) {
	l.mu.Lock()
	var open []net.Conn
	for c := range l.conns {
		if these(c) {
			open = append(open, c.Conn)
		}
	}
	l.mu.Unlock()
	for _, c := range open {
		_ = c.Close() // the listener stops
	}
}
