package transport

import "golang.org/x/sys/unix"

// unacknowledged is SIOCOUTQ, see tcp(7) and unix(7). The caller holds the socket's lock and has checked that it is not closed.
func (r *rawSocket) unacknowledged() int {
	if r.conn == nil {
		return -1
	}
	n, err := unix.IoctlGetInt(r.fd, unix.TIOCOUTQ)
	if err != nil {
		return -1
	}
	return n
}
