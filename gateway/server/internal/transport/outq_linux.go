package transport

import "golang.org/x/sys/unix"

// unacknowledged returns SIOCOUTQ of tcp(7) for an open TCP socket; -1 on an error.
func unacknowledged(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.TIOCOUTQ)
	if err != nil {
		return -1
	}
	return n
}
