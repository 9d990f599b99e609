package auth

import (
	"container/list"
	"context"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sockgate/sockgate/gateway/internal/share"
	"github.com/sockgate/sockgate/gateway/internal/turn"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// Listener keeps at most a limit of connections open; places says which one gives way when it is full. It can close
// them all, because gRPC's graceful stop waits for connections that have not sent a byte.
//
// Its methods may be called from any goroutine.
type Listener struct {
	net.Listener
	limit   int
	refused func() // called for each connection that is closed because of the limit
	turns   *turn.Turns
	changed chan struct{} // capacity 1: a connection has left or has proven an identity

	mu     sync.Mutex
	conns  map[*boundedConn]struct{}
	places places
	peak   int    // the most connections so far
	gone   uint64 // connections that gave way, or were closed because none did
	full   bool   // accepts no more connections, because it stops
}

// boundedConn leaves its listener's set when it is closed.
type boundedConn struct {
	net.Conn
	listener *Listener
	since    time.Time    // when it was accepted
	spoke    atomic.Bool  // the client has sent a byte
	trusted  atomic.Bool  // it has an identity's place
	heard    atomic.Int64 // unix nanoseconds at which its client's last bytes were handled; unheard while they wait
	debts    debts
	lanes    atomic.Int32 // calls that carry the data plane: its bytes are not handled in turns while there are some
	work     *turn.Work   // what its bytes make the gateway do

	// The listener's mu guards the rest.
	calls  int // under way
	tenant *tenant
	place  *list.Element // in a list of the tenant
}

// writeTimeout is how long a client may take no byte of what is written to it, before its connection is closed.
const writeTimeout = 30 * time.Second

// trust gives a connection a place of the identity of a caller that has a role and uses it.
func (c *boundedConn) trust(caller *Caller) {
	if c.trusted.Swap(true) {
		return
	}
	l := c.listener
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.tenant != nil {
		l.places.settle(c, tenantKey{name: usageKey(caller)}, isAdmin(caller))
		l.change()
	}
	c.work.Become(partyOf(caller))
}

// isAdmin reports whether a caller may use what is reserved for administrators. A caller on loopback without a proof
// may do everything, but may be any program.
func isAdmin(c *Caller) bool { return c.Role == pb.Role_ROLE_ADMIN && c.Proof != proofNone }

// count notes that calls of the connection began or ended.
func (c *boundedConn) count(more int) {
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	c.listener.places.count(c, more)
}

// Write writes gRPC's bytes.
func (c *boundedConn) Write(p []byte) (int, error) { return c.debts.during(p, c.send) }

// send writes, and gives up on a client that takes nothing for too long.
func (c *boundedConn) send(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// Read reads in a turn of the client, which lasts until the next Read: TLS and gRPC handle what was read in the same
// goroutine. It notes that the client has spoken. A connection that carries the data plane does not wait for turns.
func (c *boundedConn) Read(p []byte) (int, error) {
	if c.lanes.Load() > 0 {
		return c.Conn.Read(p)
	}
	c.work.End()
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.spoke.Store(true)
		c.handle()
	}
	return n, err
}

// NewListener returns a listener of at most limit connections, which must be at least 1. An eighth of them is for
// connections without a proof, and an eighth is kept for each administrator. It owns l. It calls refused, in the
// goroutine of Accept, for each connection that it closes because it is full. refused must not block. What clients send
// is handled in turns.
func NewListener(l net.Listener, limit int, turns *turn.Turns, refused func()) *Listener {
	return &Listener{Listener: l, limit: limit, refused: refused, turns: turns, changed: make(chan struct{}, 1),
		conns:  make(map[*boundedConn]struct{}),
		places: places{floor: max(1, limit/8), tenants: make(map[tenantKey]*tenant)}}
}

// Accept waits for a connection that the limit admits. The error is the inner listener's.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		l.settleDown()
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

const (
	// tenure is how long a connection without a proof may be silent before it gives way to a new one, while new ones come
	// faster than they can prove an identity. It is not silent while its bytes wait for the gateway.
	tenure = 250 * time.Millisecond
	// longestTenure is how long such a connection may speak.
	longestTenure = 4 * tenure
	// unheard is the time of bytes that are still to be handled.
	unheard = math.MaxInt64
)

// handle begins the turn of bytes that were read.
func (c *boundedConn) handle() {
	if c.trusted.Load() {
		c.work.Begin()
		return
	}
	c.heard.Store(unheard)
	c.work.Begin()
	c.heard.Store(time.Now().UnixNano())
}

// tenureEnds returns when the connection gives way to a new one, if it has no proof.
func (c *boundedConn) tenureEnds() time.Time {
	latest := c.since.Add(longestTenure)
	heard := c.heard.Load()
	if heard == unheard {
		return latest
	}
	if ends := time.Unix(0, heard).Add(tenure); ends.Before(latest) {
		return ends
	}
	return latest
}

// settleDown waits while too many connections have not proven an identity yet and each still has time for it. New ones
// wait in the kernel meanwhile, in their order: a flood would otherwise push each out before it can speak.
func (l *Listener) settleDown() {
	for {
		l.mu.Lock()
		wait := l.crowded(time.Now())
		l.mu.Unlock()
		if wait <= 0 {
			return
		}
		timer := time.NewTimer(wait)
		select {
		case <-l.changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// crowded returns how long the connection that is to give way to a new one still has. The caller holds mu.
func (l *Listener) crowded(now time.Time) time.Duration {
	if l.full || l.places.strangers < l.places.floor {
		return 0
	}
	return l.places.largest(true).soonest().tenureEnds().Sub(now)
}

// change wakes settleDown.
func (l *Listener) change() {
	select {
	case l.changed <- struct{}{}:
	default:
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
	if len(l.conns) >= l.limit || l.places.strangers >= l.places.floor {
		l.gone++
		over := l.places.victim()
		if over == nil {
			return nil, conn
		}
		l.remove(over)
		evicted = over
	}
	network := networkOf(conn.RemoteAddr())
	newcomer := share.Party{Key: "network " + network}
	c := &boundedConn{Conn: conn, listener: l, since: time.Now(), work: l.turns.Work(context.Background(), newcomer)}
	c.heard.Store(c.since.UnixNano())
	l.conns[c] = struct{}{}
	l.peak = max(l.peak, len(l.conns))
	l.places.settle(c, tenantKey{name: network, stranger: true}, false)
	return c, evicted
}

// Usage returns how many connections there are, and the identities and networks that have the most: at most a number of
// them.
func (l *Listener) Usage(holders int) share.Usage {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := share.Usage{Total: int64(l.limit), Reserve: int64(l.places.floor), Held: int64(len(l.conns)),
		Peak: int64(l.peak), Revoked: l.gone}
	for key, t := range l.places.tenants {
		name := key.name
		if key.stranger {
			name = "network " + name
		}
		u.Parties = append(u.Parties, share.PartyUsage{Party: share.Party{Key: name}, Held: int64(t.size())})
	}
	u.KeepLargest(holders)
	return u
}

// networkOf returns the network that counts as one client: an IPv4 address, or the first 64 bits of an IPv6 address.
func networkOf(a net.Addr) string {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return a.Network()
	}
	ip := tcp.AddrPort().Addr().Unmap()
	if ip.Is4() {
		return ip.String()
	}
	network, _ := ip.Prefix(64) // of IPv6 it cannot fail
	return network.String()
}

// remove takes a connection out of the set. The caller holds mu.
func (l *Listener) remove(c *boundedConn) {
	delete(l.conns, c)
	l.places.leave(c)
	l.change()
}

// Close closes the connection, makes room for another, and releases what its client has not read.
func (c *boundedConn) Close() error {
	c.listener.mu.Lock()
	c.listener.remove(c)
	c.listener.mu.Unlock()
	c.debts.release()
	err := c.Conn.Close()
	c.work.End()
	return err
}

// CloseSilent makes Accept close every new connection, and closes the connections whose client has not sent a byte.
func (l *Listener) CloseSilent() {
	l.mu.Lock()
	l.full = true
	l.mu.Unlock()
	l.change()
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
