package transport

import "golang.org/x/sys/unix"

// TurnReads is how many bytes of one socket a loop reads in a turn. FlushWrites is how many writes of one flush a loop
// makes in a turn.
const (
	TurnReads   = readSize
	FlushWrites = flushTurn
)

// Detached reports whether a socket of the epoll engine is out of its loop's epoll.
func Detached(s Socket) bool { return !s.(*epollSocket).has(socketAdded) }

// Option returns an option of a socket of the epoll engine.
func Option(s Socket, level, name int) (int, error) {
	return unix.GetsockoptInt(int(s.(*epollSocket).fd), level, name)
}

// Duplicate returns a copy of a socket's descriptor, as a child has that was just forked.
func Duplicate(s Socket) (int, error) {
	return unix.FcntlInt(uintptr(s.(*epollSocket).fd), unix.F_DUPFD_CLOEXEC, 1000)
}

// Loop identifies the loop of a socket of the epoll engine.
func Loop(s Socket) any { return s.(*epollSocket).loop }

// Descriptor returns the descriptor of a socket of the epoll engine.
func Descriptor(s Socket) int { return int(s.(*epollSocket).fd) }
