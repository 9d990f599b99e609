package transport

import (
	"container/list"
	"crypto/tls"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
)

const (
	// defaultHandshakes is the most handshakes under way before SetMax.
	defaultHandshakes = 1024
	// plainSize has room for the plaintext of all that can come at once: one read, what a handshake has collected, and the beginning of
	// a record that was kept.
	plainSize = readSize + 3*maxRecord
)

// ErrNoTurn says that a handshake had not begun when its socket closed: too many others were under way.
var ErrNoTurn = errors.New("tls handshake: its turn had not come; too many others were under way")

// TLS makes TLS connections of sockets; there is one for a server. It bounds how many handshakes are under way, and how many of them
// compute at the same time: half of the processors stay with the connections that are established already.
type TLS struct {
	clock   Clock
	compute chan struct{} // has an element for each handshake that computes
	hellos  atomic.Int64  // bytes of ClientHellos beyond freeHello each, whose handshake has not begun
	buffers sync.Pool     // *tlsBuffer, each with room for a record
	plains  sync.Pool     // *[plainSize]byte

	mu      sync.Mutex // taken inside a socket's lock; nothing is locked inside it
	max     int
	running int       // goroutines, each with one handshake
	waiting list.List // *tlsSocket whose turn has not come, the first first
	ended   sync.Cond // running has become 0
}

// Handshake is the server's side of a handshake. Exactly one of its methods is called, once, from any goroutine and without locks. They
// must not block.
type Handshake interface {
	// Established has the socket that speaks plaintext, and returns its endpoint, whose calls begin with Opened; nil closes it. Until
	// then the socket may only be closed.
	Established(s Socket, state tls.ConnectionState) Endpoint
	// Broken says why there is no connection. The raw socket closes. net.ErrClosed: it was closed first; ErrNoTurn: before its turn;
	// PanicError: a function of the configuration panicked.
	Broken(err error)
}

// NewTLS returns a TLS that lets 1,024 handshakes be under way. Its clock is the engine's.
func NewTLS(clock Clock) *TLS {
	l := &TLS{
		clock:   clock,
		compute: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		buffers: sync.Pool{New: func() any { return &tlsBuffer{bytes: make([]byte, 0, maxRecord)} }},
		plains:  sync.Pool{New: func() any { return new([plainSize]byte) }},
		max:     defaultHandshakes,
	}
	l.ended.L = &l.mu
	return l
}

// SetMax sets how many handshakes, at least 1, may be under way; others wait for their turn in the order in which they came, without a
// goroutine. Those that are under way go on.
func (l *TLS) SetMax(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.max = max(1, n)
	for l.running < l.max && l.waiting.Len() > 0 {
		l.begin(l.pop())
	}
}

// Wait blocks until every handshake's goroutine has ended. Call it when the engine's Wait has returned: until then, also a socket that
// was told to close may begin a handshake.
func (l *TLS) Wait() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.running > 0 {
		l.ended.Wait()
	}
}

// Server returns the endpoint of a raw socket whose bytes are TLS. The caller makes the socket's calls reach it, Opened first. The
// handshake begins with the peer's first bytes, and has no deadline: who wants one closes the raw socket. config must not be modified
// any more.
func (l *TLS) Server(raw Socket, config *tls.Config, h Handshake) Endpoint {
	t := &tlsSocket{raw: raw, layer: l}
	t.shake = &tlsShake{server: h, config: config}
	t.shake.changed.L = &t.mu
	return t
}

// enter begins the handshake of a socket whose ClientHello is complete, or lets it wait for its turn.
func (l *TLS) enter(t *tlsSocket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running >= l.max {
		t.shake.place = l.waiting.PushBack(t)
		return
	}
	l.begin(t)
}

// leave takes a socket out of those that wait. It returns false when its turn has come.
func (l *TLS) leave(t *tlsSocket) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.shake.place == nil {
		return false
	}
	l.waiting.Remove(t.shake.place)
	t.shake.place = nil
	return true
}

// begin starts a goroutine with a handshake. The caller holds mu.
func (l *TLS) begin(t *tlsSocket) {
	l.running++
	go l.run(t)
}

// pop takes the first that waits; there is one. The caller holds mu.
func (l *TLS) pop() *tlsSocket {
	t := l.waiting.Remove(l.waiting.Front()).(*tlsSocket)
	t.shake.place = nil
	return t
}

// run does a handshake, and then those that wait, one after the other: so their goroutine's stack has grown already.
func (l *TLS) run(t *tlsSocket) {
	for t != nil {
		t.perform()
		t = l.next()
	}
}

// next returns the next handshake for a goroutine that has done one; nil when it is to end.
func (l *TLS) next() *tlsSocket {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running <= l.max && l.waiting.Len() > 0 {
		return l.pop()
	}
	if l.running--; l.running == 0 {
		l.ended.Broadcast()
	}
	return nil
}
