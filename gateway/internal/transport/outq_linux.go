package transport

import "golang.org/x/sys/unix"

// unacknowledged is SIOCOUTQ of tcp(7); a unix socket's counts the kernel's own overhead too, and is of no use. The caller holds
// the socket's lock and has checked that it is not closed.
func (r *rawSocket) unacknowledged() int {
	if !r.tcp {
		return -1
	}
	n, err := unix.IoctlGetInt(r.fd, unix.TIOCOUTQ)
	if err != nil {
		return -1
	}
	return n
}
