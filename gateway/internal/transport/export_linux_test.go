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
