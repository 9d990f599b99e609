package auth

import (
	"container/list"
	"net"
	"sync"
	"sync/atomic"
)

// boundedListener keeps at most limit connections open, and can close them all: gRPC waits for connections that have not said a word
// before it stops. When there is no room, the oldest connection that nobody vouches for makes room for a new one, so that those who
// prove nothing keep nobody out who does; when there is none, the new one is closed at once. Nobody vouches for more than a quarter of
// them, so that one identity keeps no other out.
type Listener struct {
	net.Listener
	limit   int
	share   int // most trusted connections of one identity
	refused func()

	mu        sync.Mutex
	conns     map[*boundedConn]struct{}
	untrusted *list.List     // of *boundedConn, the oldest first: no caller has proven that he may call, or he has had his share
	trusted   map[string]int // connections by the identity that vouches for them
	full      bool           // takes nobody any more, because it stops
}

// boundedConn leaves its listener's set when it is closed.
type boundedConn struct {
	net.Conn
	listener *Listener
	spoke    atomic.Bool // has sent a byte
	trusted  atomic.Bool
	place    *list.Element // among the untrusted; nil: not there. Guarded by the listener's mu
	voucher  string        // the identity that vouches for it; empty: none, or one that has proven nothing. Guarded likewise
}

// trust notes that somebody who may call uses the connection. Those who have proven nothing are many, and have no share.
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
	if c.place == nil { // it was closed, or another call was faster
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

func NewListener(l net.Listener, limit int, refused func()) *Listener {
	return &Listener{Listener: l, limit: limit, share: max(1, limit/4), refused: refused, conns: make(map[*boundedConn]struct{}),
		untrusted: list.New(), trusted: make(map[string]int)}
}

// Accept returns the next connection for which there is room.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c, evicted := l.add(conn)
		if evicted != nil {
			_ = evicted.Close() // nothing was promised
			l.refused()
		}
		if c != nil {
			return c, nil
		}
	}
}

// add makes a connection one of the listener's, and returns another that has to be closed for it; itself, when there is no room.
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

// CloseSilent takes no more connections and closes those that have not sent a byte.
func (l *Listener) CloseSilent() {
	l.mu.Lock()
	l.full = true
	l.mu.Unlock()
	l.closeThose(func(c *boundedConn) bool { return !c.spoke.Load() })
}

// CloseAll closes every connection.
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
		_ = c.Close() // it is being given up
	}
}
