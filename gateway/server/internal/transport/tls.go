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
	// plainSize is the most plaintext that can come at once: from one read, from the bytes that a handshake has collected,
	// and from the kept beginning of a record.
	plainSize = readSize + 3*maxRecord
)

// ErrNoTurn says that a socket closed before its handshake could begin, because too many others were under way.
var ErrNoTurn = errors.New("tls handshake: its turn had not come; too many others were under way")

// TLS puts TLS on sockets. A server has one. It bounds how many handshakes are under way, and how many of these compute
// at the same time: half of the processors stay free for established connections. Its methods may be called from any
// goroutine.
type TLS struct {
	clock   Clock
	compute chan struct{} // has an element for each handshake that computes
	// hellos counts the bytes beyond freeHello of each ClientHello whose handshake has not begun.
	hellos  atomic.Int64
	buffers sync.Pool // *tlsBuffer, each with capacity for a record
	plains  sync.Pool // *[plainSize]byte

	mu      sync.Mutex // guards the rest. Lock order: docs/locks.md
	max     int
	running int       // goroutines, each with one handshake
	waiting list.List // *tlsSocket, in the order of arrival
	ended   sync.Cond // running has become 0
}

// Handshake is the server's side of a handshake. Exactly one of its methods is called, once, from any goroutine and
// without locks. They must not block.
type Handshake interface {
	// Established receives a socket that speaks plaintext, and returns its endpoint. The endpoint's calls begin with
	// Opened; nil closes the socket. Until Established returns, the socket may only be closed.
	Established(s Socket, state tls.ConnectionState) Endpoint
	// Broken says why no connection was established. The raw socket closes. The error wraps net.ErrClosed when the socket
	// was closed first, and ErrNoTurn when the handshake had not begun. It is a *PanicError when a function of the
	// configuration panicked.
	Broken(err error)
}

// NewTLS returns a TLS that lets 1,024 handshakes be under way. The clock must be the engine's.
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

// SetMax sets how many handshakes may be under way; less than 1 counts as 1. Further handshakes wait in the order of
// arrival, without a goroutine. A lower limit does not end handshakes that are under way.
func (l *TLS) SetMax(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.max = max(1, n)
	for l.running < l.max && l.waiting.Len() > 0 {
		l.begin(l.pop())
	}
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
// the raw socket. config must not be modified any more.
func (l *TLS) Server(raw Socket, config *tls.Config, h Handshake) Endpoint {
	t := &tlsSocket{raw: raw, layer: l}
	t.shake = &tlsShake{server: h, config: config}
	t.shake.changed.L = &t.mu
	return t
}

// enter begins the handshake of a socket whose ClientHello is complete, or queues it.
func (l *TLS) enter(t *tlsSocket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running >= l.max {
		t.shake.place = l.waiting.PushBack(t)
		return
	}
	l.begin(t)
}

// leave removes a socket from the queue. It returns false when the handshake has begun, or was never queued.
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

// pop removes the first socket of the queue, which is not empty. The caller holds mu.
func (l *TLS) pop() *tlsSocket {
	t := l.waiting.Remove(l.waiting.Front()).(*tlsSocket)
	t.shake.place = nil
	return t
}

// run does a handshake, and then the waiting ones, one after the other. It keeps its goroutine, because the stack has
// grown already.
func (l *TLS) run(t *tlsSocket) {
	for t != nil {
		t.perform()
		t = l.next()
	}
}

// next returns the next handshake for a goroutine that has finished one; nil ends the goroutine.
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
