package transport

import (
	"crypto/tls"
	"errors"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sockgate/sockgate/gateway/server/internal/fair"
)

const (
	// defaultHandshakes is the most handshakes under way before SetMax.
	defaultHandshakes = 1024
	// lookEvery is how often waiting handshakes look for a place that may be taken away by now.
	lookEvery = 50 * time.Millisecond
	// linesAtEnd is how many addresses are asked for a handshake that waits, whenever one ends.
	linesAtEnd = 8
	// plainSize is the most plaintext that can come at once: from one read, from the bytes that a handshake has collected,
	// and from the kept beginning of a record.
	plainSize = readSize + 3*maxRecord
)

var (
	// ErrNoTurn says that a socket closed before its handshake could begin, because too many others were under way.
	ErrNoTurn = errors.New("tls handshake: its turn had not come; too many others were under way")
	// ErrGaveWay says that a handshake waited for its peer, and lost its place to another one.
	ErrGaveWay = errors.New("tls handshake: it waited for its peer, and gave way to another one")
)

// TLS puts TLS on sockets. A server has one. It bounds how many handshakes are under way, and how many of these compute
// at the same time: half of the processors stay free for established connections. It shares both between the addresses
// that handshakes come from. Its methods may be called from any goroutine.
type TLS struct {
	clock   Clock
	compute processors
	// hellos counts the bytes beyond freeHello of each ClientHello whose handshake has not begun.
	hellos  atomic.Int64
	buffers sync.Pool // *tlsBuffer, each with capacity for a record
	plains  sync.Pool // *[plainSize]byte

	mu      sync.Mutex // guards the rest. Lock order: docs/locks.md
	places  fair.Places[netip.Addr, *tlsTurn]
	running int         // goroutines, each with one handshake
	looking *time.Timer // nil unless handshakes wait
	ended   sync.Cond   // running has become 0
}

// Handshake is the server's side of a handshake. Exactly one of Established and Broken is called, once. All calls come
// from any goroutine and without locks. They must not block.
type Handshake interface {
	// Established receives a socket that speaks plaintext, and returns its endpoint. The endpoint's calls begin with
	// Opened; nil closes the socket. Until Established returns, the socket may only be closed.
	Established(s Socket, state tls.ConnectionState) Endpoint
	// Broken says why no connection was established. The raw socket closes. The error wraps net.ErrClosed when the socket
	// was closed first, and ErrNoTurn when the handshake had not begun. It is a *PanicError when a function of the
	// configuration panicked. It wraps ErrGaveWay after GaveWay.
	Broken(err error)
	// GaveWay says that the handshake waited for its peer and lost its place. The address had held places of the total.
	// The raw socket stays open until the peer sends something or leaves, or the caller closes it; then Broken follows.
	// So a flood is not told early, and comes back no faster. GaveWay may overlap with Broken.
	GaveWay(held, total int)
}

// NewTLS returns a TLS that lets 1,024 handshakes be under way. The clock must be the engine's. A handshake that waits
// for its peer may lose its place to another one when it is older than patience.
func NewTLS(clock Clock, patience time.Duration) *TLS {
	l := &TLS{
		clock:   clock,
		compute: processors{free: max(1, runtime.GOMAXPROCS(0)/2)},
		buffers: sync.Pool{New: func() any { return &tlsBuffer{bytes: make([]byte, 0, maxRecord)} }},
		plains:  sync.Pool{New: func() any { return new([plainSize]byte) }},
	}
	l.places.Total, l.places.Patience = defaultHandshakes, patience
	l.ended.L = &l.mu
	return l
}

// SetMax sets how many handshakes may be under way; less than 1 counts as 1. An address may have its share of them, and
// at the share or the limit the oldest handshake that waits for its peer gives way; see fair.Places. A newcomer waits,
// without a goroutine, when none can. A lower limit does not end handshakes that are under way.
func (l *TLS) SetMax(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.places.Total = max(1, n)
	l.serve(l.places.Groups())
}

// SetPatience sets the age from which a handshake that waits for its peer may lose its place.
func (l *TLS) SetPatience(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.places.Patience = d
}

// Wait blocks until the goroutine of every handshake has ended. Call it after the engine's Wait: before that returns, a
// socket that was told to close may still begin a handshake.
func (l *TLS) Wait() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.running > 0 {
		l.ended.Wait()
	}
}

// Server returns the endpoint of a raw socket whose bytes are TLS. The caller passes the socket's calls on to it,
// Opened first. The handshake begins with the peer's first bytes. It has no deadline: a caller that wants one closes
// the raw socket. config must not be modified any more. origin is the address that places are shared by: of an IPv6
// peer that of its network. A handshake of the zero address has no share of its own.
func (l *TLS) Server(raw Socket, origin netip.Addr, config *tls.Config, h Handshake) Endpoint {
	t := &tlsSocket{raw: raw, layer: l}
	t.shake = &tlsShake{server: h, config: config, origin: origin}
	return t
}
