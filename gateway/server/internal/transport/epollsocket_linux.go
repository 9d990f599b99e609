package transport

import (
	"net"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// epollSocket is one connection of the epoll engine.
type epollSocket struct {
	loop       *loop
	end        Endpoint
	mu         sync.Mutex
	flags      atomic.Uint32 // written with mu held
	fd         int32
	generation int32
	// flush is the position of the socket's flush in loop.flushes, counted from 1; 0 when there is none. Only the loop
	// touches it.
	flush int32
}

const (
	socketTCP     uint32 = 1 << iota // not a unix socket
	socketStarted                    // Opened was called
	socketAdded                      // in the loop's epoll
	socketReads                      // the kernel reports when there are bytes to read
	socketWrites                     // the kernel reports when it takes more bytes
	socketPaused                     // by Pause
	socketEnded                      // the peer finished or reading failed
	socketAsked                      // Flush was called, and the loop has not begun the flush
	socketBlocked                    // the flush waits until the kernel takes more
	socketClosing                    // Close was called, or the socket cannot be served
	socketClosed                     // the descriptor is closed, or is about to be
)

func (s *epollSocket) has(flags uint32) bool { return s.flags.Load()&flags != 0 }

// set sets flags. The caller holds mu.
func (s *epollSocket) set(flags uint32) { s.flags.Store(s.flags.Load() | flags) }

// unset clears flags. The caller holds mu.
func (s *epollSocket) unset(flags uint32) { s.flags.Store(s.flags.Load() &^ flags) }

// start opens the endpoint and hands the socket to its loop. From then on, only the loop calls the endpoint.
func (s *epollSocket) start(end Endpoint) {
	s.end = end
	s.loop.engine.sockets.set(int(s.fd), s)
	end.Opened()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set(socketStarted)
	if s.has(socketClosing | socketAsked) {
		s.loop.post(s)
	}
	s.report()
}

// report makes the kernel report exactly the readiness that the socket waits for. The caller holds mu.
func (s *epollSocket) report() {
	if !s.has(socketStarted) || s.has(socketClosing|socketClosed) {
		return
	}
	var events, want uint32
	if !s.has(socketPaused | socketEnded) {
		events, want = unix.EPOLLIN, socketReads
	}
	if s.has(socketBlocked) {
		events, want = events|unix.EPOLLOUT, want|socketWrites
	}
	if s.flags.Load()&(socketReads|socketWrites) == want {
		return
	}
	op := unix.EPOLL_CTL_MOD
	if !s.has(socketAdded) {
		op = unix.EPOLL_CTL_ADD
	}
	if err := control(s.loop.epfd, op, int(s.fd), s.generation, events); err != nil {
		s.beginClose() // the kernel has no memory; a socket without reports cannot be served
		return
	}
	s.unset(socketReads | socketWrites)
	s.set(socketAdded | want)
}

// detach stops the kernel's reports about a socket that waits for nothing. Otherwise the kernel would report the end of
// both directions for ever.
func (s *epollSocket) detach() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.has(socketAdded) || s.has(socketReads|socketWrites|socketClosing|socketClosed) {
		return
	}
	// cannot fail: the descriptor is in the epoll
	_ = control(s.loop.epfd, unix.EPOLL_CTL_DEL, int(s.fd), s.generation, 0)
	s.unset(socketAdded)
}

// ready handles a report of the kernel. Only the loop calls it.
func (s *epollSocket) ready(events uint32) {
	if s.has(socketBlocked) && events&(unix.EPOLLOUT|unix.EPOLLERR|unix.EPOLLHUP) != 0 {
		s.continueFlush()
	}
	switch {
	case s.has(socketClosing): // the loop closes it in this turn
	case events&(unix.EPOLLIN|unix.EPOLLERR|unix.EPOLLHUP) == 0:
	case !s.has(socketPaused | socketEnded):
		s.receive()
	case events&(unix.EPOLLERR|unix.EPOLLHUP) != 0:
		s.detach()
	}
}

// receive reads once. The kernel reports bytes that are left again, after the loop's other sockets have had their turn.
func (s *epollSocket) receive() {
	l := s.loop
	n, err := receive(int(s.fd), l.buffer)
	switch {
	case n > 0:
		s.end.Received(l.buffer[:n], l.now)
		return
	case err == unix.EAGAIN:
		return
	}
	s.mu.Lock()
	s.set(socketEnded)
	s.mu.Unlock()
	if err == nil {
		s.end.Ended()
	} else {
		s.end.Failed(os.NewSyscallError("read", err))
	}
	s.mu.Lock()
	s.report() // after the endpoint's call, because most sockets close in it
	s.mu.Unlock()
}

// Pause implements Socket.
func (s *epollSocket) Pause() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set(socketPaused)
	s.report()
}

// Resume implements Socket.
func (s *epollSocket) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unset(socketPaused)
	s.report()
}

// TryWrite implements Socket.
func (s *epollSocket) TryWrite(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.has(socketClosed) {
		return 0, net.ErrClosed
	}
	n, err := send(int(s.fd), p)
	if err == nil || err == unix.EAGAIN {
		return n, nil
	}
	return 0, os.NewSyscallError("write", err)
}

// Unacknowledged implements Socket. It returns -1 for a unix socket.
func (s *epollSocket) Unacknowledged() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.has(socketTCP) || s.has(socketClosed) {
		return -1
	}
	return unacknowledged(int(s.fd))
}

// Gone implements Socket.
func (s *epollSocket) Gone() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.has(socketTCP) && !s.has(socketClosed) && gone(int(s.fd))
}

// CloseWrite implements Socket.
func (s *epollSocket) CloseWrite() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.has(socketClosed) {
		return net.ErrClosed
	}
	return os.NewSyscallError("shutdown", shutdownWrite(int(s.fd)))
}

// Close implements Socket: the loop closes the descriptor.
func (s *epollSocket) Close(reset bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.has(socketClosing) {
		return
	}
	if reset && s.has(socketTCP) {
		// SO_LINGER fails only on a broken socket.
		_ = unix.SetsockoptLinger(int(s.fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	s.beginClose()
}

// beginClose posts the socket to its loop. The caller holds mu.
func (s *epollSocket) beginClose() {
	s.set(socketClosing)
	if s.has(socketStarted) {
		s.loop.post(s)
	}
}

// visit does the work that the socket was posted for. Only the loop calls it.
func (s *epollSocket) visit() {
	switch {
	case s.has(socketClosed): // posted twice
	case s.has(socketClosing):
		s.close()
	case s.has(socketAsked):
		s.beginFlush()
	}
}

// close closes the descriptor. Afterwards the descriptor may belong to another connection.
func (s *epollSocket) close() {
	s.mu.Lock()
	s.set(socketClosed)
	s.mu.Unlock()
	l := s.loop
	s.abandon()
	if s.flush > 0 {
		if len(s.flushing().bytes) > 0 {
			s.end.Wrote(0, net.ErrClosed)
		}
		s.endFlush()
	}
	s.end.Closed()
	l.engine.open.Done()
}

// abandon gives the descriptor back. The socket is closed, or was never started.
func (s *epollSocket) abandon() {
	l := s.loop
	l.engine.sockets.set(int(s.fd), nil)
	closeDescriptor(int(s.fd))
	l.sockets.Add(-1)
}
