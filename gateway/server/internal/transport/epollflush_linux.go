package transport

import (
	"os"

	"golang.org/x/sys/unix"
)

// epollFlush is a flush that is under way. It is the loop's alone, and moves when another one ends.
type epollFlush struct {
	socket   *epollSocket
	bytes    []byte // of NextWrite, and not yet told of with Wrote
	deadline Moment
}

// flushing returns the flush that is under way.
func (s *epollSocket) flushing() *epollFlush { return &s.loop.flushes[s.flush-1] }

// Flush asks the loop to begin.
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

// beginFlush is called by the loop. The endpoint asks for no other flush before NextWrite has returned nothing.
func (s *epollSocket) beginFlush() {
	s.mu.Lock()
	s.unset(socketAsked)
	s.mu.Unlock()
	s.loop.flushes = append(s.loop.flushes, epollFlush{socket: s})
	s.flush = int32(len(s.loop.flushes))
	s.continueFlush()
}

// continueFlush writes until the kernel takes no more, the endpoint has no more, or the turn is over.
func (s *epollSocket) continueFlush() {
	f := s.flushing() // no other flush begins or ends meanwhile: that is the loop's work too
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

// expire tells the endpoint of a deadline that has passed, and tries on.
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

// endFlush forgets the flush.
func (s *epollSocket) endFlush() {
	l := s.loop
	last := len(l.flushes) - 1
	l.flushes[s.flush-1] = l.flushes[last]
	l.flushes[s.flush-1].socket.flush = s.flush
	l.flushes[last] = epollFlush{}
	if l.flushes = l.flushes[:last]; last == 0 && cap(l.flushes) > turnSize {
		l.flushes = nil // it was a burst
	}
	s.flush = 0
	s.block(false)
}

// block says whether the flush waits for the kernel.
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
