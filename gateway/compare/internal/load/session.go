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

// session is the TLS of one connection, without a goroutine: crypto/tls over a descriptor, where a read returns only
// the bytes that the kernel has already. The client's one thread uses it.
type session struct {
	wire wire
	tls  *tls.Conn
}

// newSession makes the handshake on a connected descriptor and waits for it. A handshake that is not a full one of TLS
// 1.3 is an error.
func newSession(fd int32, config *tls.Config) (*session, error) {
	s := &session{wire: wire{fd: fd, waits: true}}
	s.tls = tls.Client(&s.wire, config)
	if err := s.tls.Handshake(); err != nil {
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	s.wire.waits = false
	return s, full(s.tls.ConnectionState())
}

// full returns an error for a handshake that was not a full one of TLS 1.3: another kind costs a server less or more.
func full(state tls.ConnectionState) error {
	if state.Version != tls.VersionTLS13 || state.DidResume {
		return fmt.Errorf("TLS handshake: %s, resumed: %t; expected TLS 1.3, not resumed",
			tls.VersionName(state.Version), state.DidResume)
	}
	return nil
}

// put takes all of p. room is false when the kernel has not taken all of it: the caller calls flush when it can.
func (s *session) put(p []byte) (n int, room bool, err error) {
	n, err = s.tls.Write(p)
	return n, len(s.wire.out) == 0, err
}

// fill reads the bytes of one record. No bytes and no error mean that none have come yet.
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

// Timeout is a part of net.Error: crypto/tls keeps the bytes that have come so far.
func (nothing) Timeout() bool { return true }

// Temporary is a part of net.Error: the next call may succeed.
func (nothing) Temporary() bool { return true }

// errNothing says that the kernel has no bytes to read now. It is temporary, so that crypto/tls goes on at the next
// call.
var errNothing net.Error = nothing{}

// wire is the connection under a session. crypto/tls calls only Read and Write on it.
type wire struct {
	net.Conn // nil
	fd       int32
	waits    bool   // whether reads wait: during a handshake, which cannot be interrupted
	out      []byte // bytes that the kernel has not taken yet; at most a message and its TLS overhead
}

// Read reads the bytes that the kernel has, or fails with errNothing.
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

// wait waits until bytes can be read, for patience at most.
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

// Write takes all of p, and keeps the bytes that the kernel does not take: crypto/tls never recovers from an error of a
// write.
func (w *wire) Write(p []byte) (int, error) {
	w.out = append(w.out, p...)
	_, err := w.flush()
	return len(p), err
}

// flush writes the kept bytes as far as the kernel takes them, and reports whether it took all.
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
