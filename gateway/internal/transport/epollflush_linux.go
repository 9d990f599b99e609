package transport

import (
	"os"

	"golang.org/x/sys/unix"
)

// epollFlush is a flush that is under way. It is the loop's alone.
type epollFlush struct {
	bytes    []byte // of NextWrite, and not yet told of with Wrote
	deadline Moment
	place    int // in loop.flushes
}

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
	s.flush = &epollFlush{place: len(s.loop.flushes)}
	s.loop.flushes = append(s.loop.flushes, s)
	s.continueFlush()
}

// continueFlush writes until the kernel takes no more, the endpoint has no more, or the turn is over.
func (s *epollSocket) continueFlush() {
	f := s.flush
	for range flushTurn {
		if len(f.bytes) == 0 {
			f.bytes, f.deadline = s.end.NextWrite()
		}
		if len(f.bytes) == 0 {
			s.endFlush()
			return
		}
		n, err := write(int(s.fd), f.bytes)
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
	if len(s.flush.bytes) > 0 {
		s.flush.bytes = nil
		s.end.Wrote(0, os.ErrDeadlineExceeded)
	}
	if !s.has(socketClosing) {
		s.continueFlush()
	}
}

// endFlush forgets the flush.
func (s *epollSocket) endFlush() {
	l, place := s.loop, s.flush.place
	last := len(l.flushes) - 1
	l.flushes[place] = l.flushes[last]
	l.flushes[place].flush.place = place
	l.flushes[last] = nil
	l.flushes = l.flushes[:last]
	s.flush = nil
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
