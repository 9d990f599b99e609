package transport

import (
	"net"
	"time"
)

// tlsWire is the raw socket as crypto/tls sees it. From the end of the handshake on, every call of conn is made with mu held.
type tlsWire tlsSocket

// nothingYet is the error of a read for which nothing has come. It is temporary, so that crypto/tls does not keep it.
type nothingYet struct{}

func (nothingYet) Error() string   { return "nothing to read yet" }
func (nothingYet) Timeout() bool   { return true }
func (nothingYet) Temporary() bool { return true }

// Read has the bytes of one record and never those of the next: so crypto/tls keeps none, and its buffer stays as small as the
// records are.
func (w *tlsWire) Read(p []byte) (int, error) {
	t := (*tlsSocket)(w)
	if h := t.shake; h != nil && !h.done {
		t.mu.Lock()
		defer t.mu.Unlock()
		if err := t.awaitRecord(); err != nil {
			return 0, err
		}
	}
	if len(t.wire) == 0 {
		return 0, nothingYet{}
	}
	n := copy(p, t.wire)
	if t.wire = t.wire[n:]; len(t.wire) == 0 {
		t.wire = nil // it may be all that refers to a large buffer
	}
	return n, nil
}

// Write gives the raw socket a record; what it does not take is pending.
func (w *tlsWire) Write(p []byte) (int, error) {
	t := (*tlsSocket)(w)
	if h := t.shake; h != nil && !h.done {
		t.mu.Lock()
		defer t.mu.Unlock()
		defer t.kick()
	}
	return len(p), t.put(p)
}

// Close does nothing: the raw socket is closed by the layer.
func (w *tlsWire) Close() error { return nil }

// LocalAddr returns an address without a text: a Socket does not know it.
func (w *tlsWire) LocalAddr() net.Addr { return wireAddr{} }

// RemoteAddr returns an address without a text, too.
func (w *tlsWire) RemoteAddr() net.Addr { return wireAddr{} }

// SetDeadline does nothing: no call blocks but those of a handshake, which has its owner's deadline.
func (w *tlsWire) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (w *tlsWire) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (w *tlsWire) SetWriteDeadline(time.Time) error { return nil }

// wireAddr is the address of a tlsWire.
type wireAddr struct{}

func (wireAddr) Network() string { return "tls" }
func (wireAddr) String() string  { return "" }
