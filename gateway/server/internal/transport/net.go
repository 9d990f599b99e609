package transport

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// readSize is the most bytes of one read.
const readSize = 64 << 10

// aLongTimeAgo is a deadline that has passed.
var aLongTimeAgo = time.Unix(1, 0)

// netEngine is the portable engine. It has a goroutine for each connection, which waits in Go's netpoller without a
// buffer, and a second one only while bytes are queued.
type netEngine struct {
	clock   Clock
	loops   sync.WaitGroup
	buffers sync.Pool
}

// newNet returns the `net` engine.
func newNet(clock Clock) Engine {
	return &netEngine{clock: clock, buffers: sync.Pool{New: func() any { return new([readSize]byte) }}}
}

// Name returns "net".
func (e *netEngine) Name() string { return Net }

// Wait implements Engine.
func (e *netEngine) Wait() { e.loops.Wait() }

type netSocket struct {
	engine *netEngine
	conn   net.Conn
	raw    rawSocket
	end    Endpoint
	writer sync.WaitGroup // the flush that is under way

	mu      sync.Mutex
	gate    chan struct{} // closed to let the loop go on; nil while the loop does not wait
	paused  bool
	ended   bool // the peer finished or reading failed
	closing bool
	closed  bool // the descriptor is closed, or is about to be
}

// loop reads until the socket closes. It owns the descriptor.
func (s *netSocket) loop() {
	s.end.Opened()
	for s.mayRead() {
		s.readOnce()
	}
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	_ = s.conn.Close() // its error could only repeat one that reading or writing has reported
	s.writer.Wait()
	s.end.Closed()
}

// readOnce waits for bytes and hands them to the endpoint.
func (s *netSocket) readOnce() {
	buffer, n, err := s.receive()
	if n > 0 {
		s.end.Received(buffer[:n], s.engine.clock.Now())
	}
	if buffer != nil {
		s.engine.buffers.Put(buffer)
	}
	switch {
	case err == nil || errors.Is(err, os.ErrDeadlineExceeded): // Close wakes the loop with a deadline
		return
	case errors.Is(err, io.EOF):
		s.stopReading()
		s.end.Ended()
	default:
		s.stopReading()
		s.end.Failed(err)
	}
}

func (s *netSocket) stopReading() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
}

// mayRead blocks while reading is paused or over. It returns false when the socket is to close.
func (s *netSocket) mayRead() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for (s.paused || s.ended) && !s.closing {
		if s.gate == nil {
			s.gate = make(chan struct{})
		}
		gate := s.gate
		s.mu.Unlock()
		<-gate
		s.mu.Lock()
	}
	return !s.closing
}

// open lets the loop look again. The caller holds mu.
func (s *netSocket) open() {
	if s.gate != nil {
		close(s.gate)
		s.gate = nil
	}
}

// Pause implements Socket.
func (s *netSocket) Pause() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused = true
}

// Resume implements Socket.
func (s *netSocket) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused = false
	s.open()
}

// TryWrite implements Socket.
func (s *netSocket) TryWrite(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, net.ErrClosed
	}
	return s.raw.tryWrite(p)
}

// Unacknowledged implements Socket.
func (s *netSocket) Unacknowledged() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return -1
	}
	return s.raw.unacknowledged()
}

// Gone implements Socket.
func (s *netSocket) Gone() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.closed && s.raw.gone()
}

// Flush implements Socket: a goroutine writes.
func (s *netSocket) Flush() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing || s.closed {
		return false
	}
	s.writer.Add(1)
	go s.flush()
	return true
}

// flush writes until the endpoint has no more.
func (s *netSocket) flush() {
	defer s.writer.Done()
	write := s.writes()
	for {
		p, deadline := s.end.NextWrite()
		if len(p) == 0 {
			return
		}
		if err := s.conn.SetWriteDeadline(s.engine.clock.At(deadline)); err != nil {
			s.end.Wrote(0, err)
			continue
		}
		s.end.Wrote(write(p))
	}
}

// CloseWrite implements Socket.
func (s *netSocket) CloseWrite() error {
	if c, ok := s.conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil // Close ends a connection that cannot be half-closed
}

// Close implements Socket: it wakes the loop, which closes the descriptor.
func (s *netSocket) Close(reset bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return
	}
	s.closing = true
	if c, ok := s.conn.(*net.TCPConn); ok && reset {
		_ = c.SetLinger(0) // fails only on a socket that is broken already
	}
	_ = s.conn.SetDeadline(aLongTimeAgo) // wakes a read and a write that wait
	s.open()
}
