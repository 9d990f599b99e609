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

// netEngine is the portable engine: a goroutine for each connection, which waits in Go's netpoller without a buffer, and
// another one only while bytes are queued.
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

// Wait blocks until every socket has been closed.
func (e *netEngine) Wait() { e.loops.Wait() }

type netSocket struct {
	engine *netEngine
	conn   net.Conn
	raw    rawSocket
	end    Endpoint
	writer sync.WaitGroup // the flush that is under way

	mu      sync.Mutex
	gate    chan struct{} // closed to let the loop go on; nil while it does not wait
	paused  bool
	ended   bool // nothing more to read
	closing bool
	closed  bool // the descriptor is, or is about to be, closed
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
	_ = s.conn.Close() // its error could only repeat what reading or writing has reported
	s.writer.Wait()
	s.end.Closed()
}

// readOnce waits for bytes and hands them on.
func (s *netSocket) readOnce() {
	buffer, n, err := s.receive()
	if n > 0 {
		s.end.Received(buffer[:n], s.engine.clock.Now())
	}
	if buffer != nil {
		s.engine.buffers.Put(buffer)
	}
	switch {
	case err == nil || errors.Is(err, os.ErrDeadlineExceeded): // the deadline is how Close wakes the loop
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

// mayRead blocks while reading is paused or over, and returns false when the socket is to close.
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

// Pause stops reading.
func (s *netSocket) Pause() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused = true
}

// Resume reads again.
func (s *netSocket) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused = false
	s.open()
}

// TryWrite writes without waiting.
func (s *netSocket) TryWrite(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, net.ErrClosed
	}
	return s.raw.tryWrite(p)
}

// Unacknowledged asks the kernel.
func (s *netSocket) Unacknowledged() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return -1
	}
	return s.raw.unacknowledged()
}

// Flush starts the writing goroutine.
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

// CloseWrite sends FIN.
func (s *netSocket) CloseWrite() error {
	if c, ok := s.conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil // a connection that cannot be half-closed is closed whole, by Close
}

// Close wakes the loop, which closes.
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
