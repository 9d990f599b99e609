//go:build unix

package transport

import (
	"fmt"
	"io"
	"net"
	"syscall"
)

// rawSocket reads and writes a concrete TCP or unix connection without net.Conn's buffers and deadlines. It is empty
// for any other net.Conn (a pipe, a wrapper), which is read and written through its own methods.
type rawSocket struct {
	conn     syscall.RawConn
	fd       int
	tcp      bool
	readable func(fd uintptr) bool // made once, so that a read allocates nothing
	buffer   *[readSize]byte
	n        int
	err      error
}

func (r *rawSocket) init(conn net.Conn) error {
	var err error
	switch c := conn.(type) {
	case *net.TCPConn:
		r.tcp = true
		r.conn, err = c.SyscallConn()
	case *net.UnixConn:
		r.conn, err = c.SyscallConn()
	default:
		return nil
	}
	if err != nil {
		return fmt.Errorf("descriptor of %v: %w", conn.RemoteAddr(), err)
	}
	return r.conn.Control(func(fd uintptr) { r.fd = int(fd) })
}

// receive waits until the socket is readable and only then takes a buffer. The caller puts the buffer back.
func (s *netSocket) receive() (*[readSize]byte, int, error) {
	r := &s.raw
	if r.conn == nil {
		return s.receiveBuffered()
	}
	if r.readable == nil {
		r.readable = s.read
	}
	err := r.conn.Read(r.readable)
	buffer, n := r.buffer, r.n
	r.buffer, r.n = nil, 0
	if err == nil {
		err = r.err
	}
	return buffer, n, err
}

// read is the callback of the netpoller's RawConn.Read. It returns false to be called again when the socket is
// readable.
func (s *netSocket) read(fd uintptr) bool {
	r := &s.raw
	buffer := s.engine.buffers.Get().(*[readSize]byte)
	n, err := retry(syscall.Read, int(fd), buffer[:])
	if err == syscall.EAGAIN {
		s.engine.buffers.Put(buffer)
		return false
	}
	if n == 0 && err == nil {
		err = io.EOF
	}
	r.buffer, r.n, r.err = buffer, max(n, 0), err
	return true
}

// writes returns the function that a flush writes with.
func (s *netSocket) writes() func(p []byte) (int, error) {
	if s.raw.conn == nil {
		return s.conn.Write
	}
	w := &rawWriter{conn: s.raw.conn}
	w.writable = w.some
	return w.write
}

// rawWriter writes for one flush.
type rawWriter struct {
	conn     syscall.RawConn
	writable func(fd uintptr) bool // made once, so that a write allocates nothing
	p        []byte
	n        int
	err      error
}

// write waits until the kernel takes some of p, and then returns, so that the endpoint sees all progress when it
// happens.
func (w *rawWriter) write(p []byte) (int, error) {
	w.p, w.n, w.err = p, 0, nil
	err := w.conn.Write(w.writable)
	w.p = nil
	if err == nil {
		err = w.err
	}
	return w.n, err
}

// some is the callback of the netpoller's RawConn.Write. It returns false to be called again when the socket is
// writable.
func (w *rawWriter) some(fd uintptr) bool {
	n, err := retry(syscall.Write, int(fd), w.p)
	if err == syscall.EAGAIN {
		return false
	}
	w.n, w.err = max(n, 0), err
	return true
}

// tryWrite writes as much as the kernel takes now. The caller holds the socket's lock and has checked that it is not
// closed.
func (r *rawSocket) tryWrite(p []byte) (int, error) {
	if r.conn == nil {
		return 0, nil
	}
	n, err := retry(syscall.Write, r.fd, p)
	if err == syscall.EAGAIN {
		return 0, nil
	}
	return max(n, 0), err
}

// unacknowledged asks the kernel. The caller holds the socket's lock and has checked that it is not closed. The count
// of a unix socket includes the kernel's own overhead and is of no use, so it is -1.
func (r *rawSocket) unacknowledged() int {
	if !r.tcp {
		return -1
	}
	return unacknowledged(r.fd)
}

// gone asks the kernel. The caller holds the socket's lock and has checked that it is not closed.
func (r *rawSocket) gone() bool { return r.tcp && gone(r.fd) }

// retry repeats a call that a signal interrupted.
func retry(call func(int, []byte) (int, error), fd int, p []byte) (int, error) {
	for {
		n, err := call(fd, p)
		if err != syscall.EINTR {
			return n, err
		}
	}
}
