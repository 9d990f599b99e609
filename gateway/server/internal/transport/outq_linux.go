package transport

import "golang.org/x/sys/unix"

// unacknowledged is SIOCOUTQ of tcp(7), for an open TCP socket.
func unacknowledged(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.TIOCOUTQ)
	if err != nil {
		return -1
	}
	return n
}
