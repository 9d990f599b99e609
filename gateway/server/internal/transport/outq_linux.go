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

// gone reports whether an open TCP socket is in the state CLOSE, by TCP_INFO of tcp(7).
func gone(fd int) bool {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	return err == nil && info.State == unix.BPF_TCP_CLOSE
}
