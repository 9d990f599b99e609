package transport

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"sync"
)

// ErrTruncated says that the peer ended TCP without TLS's close_notify. Any attacker on the path can do that, so the
// received bytes may be cut short (RFC 8446, 6.1).
var ErrTruncated = fmt.Errorf("tls: the peer ended the connection without close_notify: %w", io.ErrUnexpectedEOF)

// tlsSocket is a TLS connection. It is the endpoint of its raw socket, and the socket of the upper endpoint, which
// reads and writes plaintext.
//
// An idle one holds only a crypto/tls connection. Buffers are kept only while they hold bytes, and state that only the
// handshake needs is behind shake. The raw socket's loop decrypts. The goroutine that writes encrypts. Both hold mu
// meanwhile.
type tlsSocket struct {
	raw   Socket
	layer *TLS

	mu      sync.Mutex // Lock order: docs/locks.md
	shake   *tlsShake  // until the connection is open; nil from then on
	conn    *tls.Conn  // nil until the handshake's turn
	upper   Endpoint   // nil until Established
	wire    []byte     // the bytes that conn may read now: one record, or the rest of it
	record  *tlsBuffer // the beginning of a record whose rest has not come; nil without
	pending *tlsBuffer // ciphertext that the raw socket has not taken; nil without

	// committed counts the upper endpoint's bytes that were encrypted and not yet reported with Wrote.
	committed int
	// asked is the length of the bytes from the upper endpoint's NextWrite, until its Wrote; 0 in between.
	asked    int
	deadline Moment // of the bytes asked for
	writeErr error  // the error that ended writing; nil before
	flags    tlsFlags
}

type tlsFlags uint16

const (
	tlsFlushing   tlsFlags = 1 << iota // a flush of the raw socket is under way
	tlsUpperFlush                      // the upper endpoint has asked for a flush
	tlsMoved                           // the kernel took ciphertext since the last NextWrite of the upper endpoint
	tlsPaused                          // by the upper endpoint
	tlsRawPaused                       // the raw socket is paused
	tlsReadOver                        // Ended or Failed was called, or is about to be
	tlsFinished                        // close_notify was sent, or is in pending
	tlsFinish                          // FIN is due when pending has been taken
	tlsClosing                         // Close was called
	tlsClosed                          // the raw socket is closed
)

func (t *tlsSocket) has(f tlsFlags) bool { return t.flags&f != 0 }

// Opened implements Endpoint. The upper endpoint's Opened follows the handshake.
func (t *tlsSocket) Opened() {}

// Received implements Endpoint: it decrypts the bytes, or keeps them for the handshake.
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

// Ended implements Endpoint.
func (t *tlsSocket) Ended() { t.rawEnded(io.EOF) }

// Failed implements Endpoint.
func (t *tlsSocket) Failed(err error) { t.rawEnded(err) }

// rawEnded handles the end of the raw socket's reading; err is io.EOF for FIN.
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

// endReading tells the upper endpoint, once, that no more bytes will come, and why. The error is from rawEnded or from
// crypto/tls, where io.EOF means close_notify.
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

// Closed implements Endpoint.
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

// Pause implements Socket.
func (t *tlsSocket) Pause() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.flags |= tlsPaused
	t.regulate()
}

// Resume implements Socket.
func (t *tlsSocket) Resume() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.flags &^= tlsPaused
	t.regulate()
}

// regulate pauses or resumes the raw socket. It is paused for the upper endpoint, and while a handshake has more bytes
// than it can use. It is also paused while the peer asks for more answers of crypto/tls itself, to key updates for
// example, and does not read them. The caller holds mu.
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

// Unacknowledged implements Socket. It counts ciphertext, which is a little more than the plaintext in it.
func (t *tlsSocket) Unacknowledged() int { return t.raw.Unacknowledged() }

// Gone implements Socket.
func (t *tlsSocket) Gone() bool { return t.raw.Gone() }

// Close implements Socket. Without reset, close_notify goes first, if the kernel takes it at once. Pending bytes of the
// upper endpoint are not sent, because the endpoint counts them as unsent. Close sends no close_notify then, so that
// the peer notices the missing bytes.
func (t *tlsSocket) Close(reset bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.has(tlsClosing) {
		return
	}
	t.flags |= tlsClosing
	if !reset && t.committed == 0 && !t.has(tlsFlushing) {
		_ = t.notify() // the socket closes in any case
	}
	t.raw.Close(reset)
}
