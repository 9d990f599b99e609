package transport

import (
	"os"

	"golang.org/x/sys/unix"
)

// epollFlush is a flush that is under way. Only its loop touches it. It moves within loop.flushes when another flush
// ends.
type epollFlush struct {
	socket   *epollSocket
	bytes    []byte // from NextWrite, not yet reported with Wrote
	deadline Moment
}

// flushing returns the socket's flush. The caller is the loop, and the socket has a flush.
func (s *epollSocket) flushing() *epollFlush { return &s.loop.flushes[s.flush-1] }

// Flush implements Socket: the loop begins the flush.
func (s *epollSocket) Flush() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.has(socketClosing | socketClosed) {
		return false
	}
	s.set(socketAsked)
	if s.has(socketStarted) {
		s.loop.post(s)
	}
	return true
}

// beginFlush starts the flush that the endpoint asked for. Only the loop calls it. The endpoint asks for no other flush
// until NextWrite has returned no bytes.
func (s *epollSocket) beginFlush() {
	s.mu.Lock()
	s.unset(socketAsked)
	s.mu.Unlock()
	s.loop.flushes = append(s.loop.flushes, epollFlush{socket: s})
	s.flush = int32(len(s.loop.flushes))
	s.continueFlush()
}

// continueFlush writes until the kernel takes no more, the endpoint has no more bytes, or the turn is over.
func (s *epollSocket) continueFlush() {
	f := s.flushing() // stays valid: only this loop begins and ends flushes
	for range flushTurn {
		if len(f.bytes) == 0 {
			f.bytes, f.deadline = s.end.NextWrite()
		}
		if len(f.bytes) == 0 {
			s.endFlush()
			return
		}
		n, err := send(int(s.fd), f.bytes)
		if err == unix.EAGAIN {
			break
		}
		f.bytes = nil
		s.end.Wrote(n, os.NewSyscallError("write", err))
		if s.has(socketClosing) {
			return
		}
	}
	s.loop.expireBy(f.deadline)
	s.block(true)
}

// expire tells the endpoint that its deadline has passed, and goes on with the flush.
func (s *epollSocket) expire() {
	if s.has(socketClosing) {
		return
	}
	if f := s.flushing(); len(f.bytes) > 0 {
		f.bytes = nil
		s.end.Wrote(0, os.ErrDeadlineExceeded)
	}
	if !s.has(socketClosing) {
		s.continueFlush()
	}
}

// endFlush removes the flush, and moves the last one into its place.
func (s *epollSocket) endFlush() {
	l := s.loop
	last := len(l.flushes) - 1
	l.flushes[s.flush-1] = l.flushes[last]
	l.flushes[s.flush-1].socket.flush = s.flush
	l.flushes[last] = epollFlush{}
	if l.flushes = l.flushes[:last]; last == 0 && cap(l.flushes) > turnSize {
		l.flushes = nil // frees the space that a burst needed
	}
	s.flush = 0
	s.block(false)
}

// block records whether the flush waits for the kernel, and adjusts the kernel's reports.
func (s *epollSocket) block(blocked bool) {
	if s.has(socketBlocked) == blocked {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if blocked {
		s.set(socketBlocked)
	} else {
		s.unset(socketBlocked)
	}
	s.report()
}
