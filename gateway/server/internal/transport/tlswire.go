package transport

import (
	"net"
	"time"
)

// tlsWire is the raw socket as crypto/tls uses it. From the end of the handshake on, every call of conn is made with mu
// held.
type tlsWire tlsSocket

// nothingYet is the error of a read before bytes have come. It is temporary, so that crypto/tls does not keep it.
type nothingYet struct{}

func (nothingYet) Error() string   { return "nothing to read yet" }
func (nothingYet) Timeout() bool   { return true }
func (nothingYet) Temporary() bool { return true }

// Read returns bytes of one record and never of the next. So crypto/tls keeps none, and its buffer stays as small as
// the records are.
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
		t.wire = nil // it may be the last reference to a large buffer
	}
	return n, nil
}

// Write gives the raw socket a record. Bytes that the raw socket does not take become pending.
func (w *tlsWire) Write(p []byte) (int, error) {
	t := (*tlsSocket)(w)
	if h := t.shake; h != nil && !h.done {
		t.mu.Lock()
		defer t.mu.Unlock()
		defer t.kick()
	}
	return len(p), t.put(p)
}

// Close does nothing: the layer closes the raw socket.
func (w *tlsWire) Close() error { return nil }

// LocalAddr returns an address without a text: a Socket does not know its address.
func (w *tlsWire) LocalAddr() net.Addr { return wireAddr{} }

// RemoteAddr returns an address without a text, too.
func (w *tlsWire) RemoteAddr() net.Addr { return wireAddr{} }

// SetDeadline does nothing: only calls of the handshake block, and the server ends those by closing the raw socket.
func (w *tlsWire) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (w *tlsWire) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (w *tlsWire) SetWriteDeadline(time.Time) error { return nil }

// wireAddr is the address of a tlsWire.
type wireAddr struct{}

func (wireAddr) Network() string { return "tls" }
func (wireAddr) String() string  { return "" }
