package transport

import "golang.org/x/sys/unix"

// TurnReads is how many bytes of one socket a loop reads in a turn, and FlushWrites how many writes of one flush it does.
const (
	TurnReads   = readSize
	FlushWrites = flushTurn
)

// Detached reports whether the kernel reports nothing of a socket of the epoll engine.
func Detached(s Socket) bool { return !s.(*epollSocket).has(socketAdded) }

// Option returns an option of a socket of the epoll engine.
func Option(s Socket, level, name int) (int, error) {
	return unix.GetsockoptInt(int(s.(*epollSocket).fd), level, name)
}

// Duplicate returns a copy of a socket's descriptor, as a child has that was just forked.
func Duplicate(s Socket) (int, error) {
	return unix.FcntlInt(uintptr(s.(*epollSocket).fd), unix.F_DUPFD_CLOEXEC, 1000)
}

// Loop tells which loop of the epoll engine a socket is on.
func Loop(s Socket) any { return s.(*epollSocket).loop }

// Descriptor returns a socket's descriptor.
func Descriptor(s Socket) int { return int(s.(*epollSocket).fd) }
