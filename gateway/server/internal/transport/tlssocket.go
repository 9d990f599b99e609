package transport

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"sync"
)

// ErrTruncated says that the peer ended TCP without TLS's close_notify. Anyone on the way can do that: what was received may be cut
// short (RFC 8446, 6.1).
var ErrTruncated = fmt.Errorf("tls: the peer ended the connection without close_notify: %w", io.ErrUnexpectedEOF)

// tlsSocket is a TLS connection: the endpoint of its raw socket, and the socket of the upper endpoint, which reads and writes plaintext.
//
// An idle one has a crypto/tls connection and nothing else: buffers are kept only while they have bytes in them, and everything that
// only the handshake needs is behind shake. The raw socket's loop decrypts, and whoever writes encrypts, each with mu held.
type tlsSocket struct {
	raw   Socket
	layer *TLS

	mu      sync.Mutex // taken inside the upper endpoint's lock; inside it come the raw socket's lock and those of conn
	shake   *tlsShake  // until the connection is open; nil from then on
	conn    *tls.Conn  // nil until the handshake's turn
	upper   Endpoint   // nil until Established
	wire    []byte     // what conn may read now: one record, or what is left of it
	record  *tlsBuffer // the beginning of a record whose rest has not come; nil when there is none
	pending *tlsBuffer // ciphertext that the raw socket has not taken; nil when there is none

	committed int    // bytes of the upper endpoint whose ciphertext is in pending, or was, and that it was not told of with Wrote
	asked     int    // length of what NextWrite of the upper endpoint returned and Wrote was not called for; 0 when there is no such
	deadline  Moment // of that
	writeErr  error  // what made writing fail; nil while nothing did
	flags     tlsFlags
}

type tlsFlags uint16

const (
	tlsFlushing   tlsFlags = 1 << iota // the raw socket flushes
	tlsUpperFlush                      // the upper endpoint wants to be asked with NextWrite
	tlsMoved                           // the kernel took ciphertext since the upper endpoint was asked
	tlsPaused                          // by the upper endpoint
	tlsRawPaused                       // the raw socket is
	tlsReadOver                        // Ended or Failed was called, or is about to be
	tlsFinished                        // close_notify was sent, or waits in pending
	tlsFinish                          // FIN is due when pending has been taken
	tlsBroken                          // writing failed, or close_notify makes the raw socket close: nothing is written any more
	tlsClosing                         // Close was called
	tlsClosed                          // the raw socket is closed
)

func (t *tlsSocket) has(f tlsFlags) bool { return t.flags&f != 0 }

// Opened is the raw socket's first call.
func (t *tlsSocket) Opened() {}

// Received decrypts what came, or keeps it for the handshake.
func (t *tlsSocket) Received(p []byte, at Moment) {
	t.mu.Lock()
	if t.shake != nil {
		err := t.collect(p, at)
		t.mu.Unlock()
		t.breakOff(err)
		return
	}
	t.deliver(p, at)
}

// Ended has the peer's FIN.
func (t *tlsSocket) Ended() { t.rawEnded(io.EOF) }

// Failed has the raw socket's error.
func (t *tlsSocket) Failed(err error) { t.rawEnded(err) }

// rawEnded says that the raw socket reads nothing more: io.EOF for FIN.
func (t *tlsSocket) rawEnded(err error) {
	t.mu.Lock()
	if t.shake != nil {
		t.shake.readErr = err
		err := t.interrupt()
		t.mu.Unlock()
		t.breakOff(err)
		return
	}
	err = t.readEnd(err)
	t.mu.Unlock()
	t.endReading(err)
}

// endReading tells the upper endpoint, once, that nothing more will be received, and why: rawEnded's error, or crypto/tls's, for
// which io.EOF is close_notify.
func (t *tlsSocket) endReading(err error) {
	t.mu.Lock()
	over := t.has(tlsReadOver | tlsClosing)
	t.flags |= tlsReadOver
	t.mu.Unlock()
	switch {
	case over:
	case err == io.EOF:
		t.upper.Ended()
	default:
		t.upper.Failed(err)
	}
}

// Closed is the raw socket's last call.
func (t *tlsSocket) Closed() {
	t.mu.Lock()
	t.flags |= tlsClosed
	if t.shake != nil {
		err := t.interrupt()
		t.mu.Unlock()
		t.breakOff(err)
		return
	}
	t.mu.Unlock()
	t.end()
}

// end makes the last calls of the upper endpoint.
func (t *tlsSocket) end() {
	t.mu.Lock()
	asked := t.asked > 0
	t.asked, t.committed = 0, 0
	t.layer.release(t.record)
	t.layer.release(t.pending)
	t.record, t.pending = nil, nil
	t.mu.Unlock()
	if asked {
		t.upper.Wrote(0, net.ErrClosed)
	}
	t.upper.Closed()
}

// Pause stops reading.
func (t *tlsSocket) Pause() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.flags |= tlsPaused
	t.regulate()
}

// Resume reads again.
func (t *tlsSocket) Resume() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.flags &^= tlsPaused
	t.regulate()
}

// regulate pauses or resumes the raw socket: it is paused for the upper endpoint, while a handshake has more than it can use, and
// while the peer does not take the answers of crypto/tls itself, to requests to update keys for example, but asks for more. The
// caller holds mu.
func (t *tlsSocket) regulate() {
	pause := t.has(tlsPaused) || t.shake != nil && t.shake.full() || len(t.pending.rest()) > maxPending
	switch {
	case pause && !t.has(tlsRawPaused):
		t.flags |= tlsRawPaused
		t.raw.Pause()
	case !pause && t.has(tlsRawPaused):
		t.flags &^= tlsRawPaused
		t.raw.Resume()
	}
}

// Unacknowledged counts ciphertext, which is a little more than the plaintext in it.
func (t *tlsSocket) Unacknowledged() int { return t.raw.Unacknowledged() }

// Close closes the raw socket, without reset behind close_notify if the kernel takes that at once. What is pending of the upper endpoint
// is not sent, as that counts it as unsent; nor is close_notify then, so that the peer sees that something is missing.
func (t *tlsSocket) Close(reset bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.has(tlsClosing) {
		return
	}
	t.flags |= tlsClosing
	if !reset && t.committed == 0 && !t.has(tlsFlushing) {
		_ = t.notify() // the socket closes, whatever becomes of it
	}
	t.raw.Close(reset)
}
