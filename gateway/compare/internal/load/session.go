package load

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// session is the TLS of one connection, without a goroutine: crypto/tls over a descriptor that has what the kernel has now, and no
// more. The client's one thread uses it.
type session struct {
	wire wire
	tls  *tls.Conn
}

// newSession makes the handshake on a connected descriptor, and waits for it. It must be TLS 1.3, and not resumed.
func newSession(fd int32, config *tls.Config) (*session, error) {
	s := &session{wire: wire{fd: fd, waits: true}}
	s.tls = tls.Client(&s.wire, config)
	if err := s.tls.Handshake(); err != nil {
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	s.wire.waits = false
	return s, full(s.tls.ConnectionState())
}

// full returns an error for a handshake that was not a full one of TLS 1.3, which would cost servers something else.
func full(state tls.ConnectionState) error {
	if state.Version != tls.VersionTLS13 || state.DidResume {
		return fmt.Errorf("TLS handshake: %s, resumed: %t; expected TLS 1.3, not resumed", tls.VersionName(state.Version), state.DidResume)
	}
	return nil
}

// put takes all of p. Not room: the kernel has not taken all of it, and flush is to be called when it can.
func (s *session) put(p []byte) (n int, room bool, err error) {
	n, err = s.tls.Write(p)
	return n, len(s.wire.out) == 0, err
}

// fill reads what one record has. No bytes and no error: there are none now.
func (s *session) fill(p []byte) (int, error) {
	n, err := s.tls.Read(p)
	switch {
	case n > 0 || errors.Is(err, errNothing):
		return n, nil
	case errors.Is(err, io.EOF):
		return 0, errEnded
	}
	return 0, err
}

// nothing is the type of errNothing.
type nothing struct{}

// Error returns the text.
func (nothing) Error() string { return "there is nothing to read now" }

// Timeout is part of net.Error: what has come so far stays.
func (nothing) Timeout() bool { return true }

// Temporary is part of net.Error: the next call may succeed.
func (nothing) Temporary() bool { return true }

// errNothing says that the kernel has nothing to read now. It is temporary, so that crypto/tls goes on when it is called again.
var errNothing net.Error = nothing{}

// wire is what a session reads from and writes to. crypto/tls calls nothing but Read and Write on it.
type wire struct {
	net.Conn // nil
	fd       int32
	waits    bool   // reads wait: a handshake, which cannot be interrupted, is under way
	out      []byte // what the kernel has not taken yet; at most a message and what TLS adds to it
}

// Read reads what there is, or fails with errNothing.
func (w *wire) Read(p []byte) (int, error) {
	for {
		n, errno := rawRead(w.fd, p)
		switch {
		case errno == 0 && n == 0:
			return 0, io.EOF
		case errno == 0:
			return n, nil
		case !again(errno):
			return 0, errno
		case !w.waits:
			return 0, errNothing
		}
		if err := w.wait(); err != nil {
			return 0, err
		}
	}
}

// wait waits until there is something to read, or for so long that nothing will come.
func (w *wire) wait() error {
	events := []unix.PollFd{{Fd: w.fd, Events: unix.POLLIN}}
	n, err := unix.Poll(events, int(patience/time.Millisecond))
	switch {
	case errors.Is(err, unix.EINTR), n > 0:
		return nil
	case err != nil:
		return fmt.Errorf("poll: %w", err)
	}
	return fmt.Errorf("nothing came for %s", patience)
}

// Write takes all of p: an error of crypto/tls's writes is for ever, so that what the kernel does not take is kept.
func (w *wire) Write(p []byte) (int, error) {
	w.out = append(w.out, p...)
	_, err := w.flush()
	return len(p), err
}

// flush writes what is kept, as far as the kernel takes it, and reports whether that was all.
func (w *wire) flush() (all bool, err error) {
	for len(w.out) > 0 {
		n, errno := rawWrite(w.fd, w.out)
		if again(errno) {
			return false, nil
		}
		if errno != 0 {
			return false, errno
		}
		w.out = w.out[:copy(w.out, w.out[n:])]
	}
	return true, nil
}
