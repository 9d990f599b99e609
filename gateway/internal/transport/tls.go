package transport

import (
	"crypto/tls"
	"errors"
)

// ErrNoTurn says that a handshake had not begun when its socket closed: too many others were under way.
var ErrNoTurn = errors.New("tls handshake: its turn had not come; too many others were under way")

// TLS makes TLS connections of sockets; there is one for a server.
type TLS struct{}

// Handshake is the server's side of a handshake. Exactly one of its methods is called, once, from any goroutine and without locks. They
// must not block.
type Handshake interface {
	// Established has the socket that speaks plaintext, and returns its endpoint, whose calls begin with Opened; nil closes it. Until
	// then the socket may only be closed.
	Established(s Socket, state tls.ConnectionState) Endpoint
	// Broken says why there is no connection. The raw socket closes. net.ErrClosed: it was closed first; ErrNoTurn: before its turn.
	Broken(err error)
}

// NewTLS returns a TLS. Its clock is the engine's.
func NewTLS(Clock) *TLS { return &TLS{} }

// SetMax sets how many handshakes, at least 1, may be under way.
func (l *TLS) SetMax(int) {}

// Wait blocks until every handshake's goroutine has ended.
func (l *TLS) Wait() {}

// Server returns the endpoint of a raw socket whose bytes are TLS.
func (l *TLS) Server(raw Socket, _ *tls.Config, h Handshake) Endpoint { return noTLS{raw, h} }

// noTLS ends every handshake.
type noTLS struct {
	raw Socket
	h   Handshake
}

func (n noTLS) Opened() {
	n.raw.Close(false)
	n.h.Broken(errors.ErrUnsupported)
}
func (noTLS) Received([]byte, Moment)     {}
func (noTLS) Ended()                      {}
func (noTLS) Failed(error)                {}
func (noTLS) NextWrite() ([]byte, Moment) { return nil, 0 }
func (noTLS) Wrote(int, error)            {}
func (noTLS) Closed()                     {}
