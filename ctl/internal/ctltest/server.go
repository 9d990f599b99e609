package ctltest

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Listen listens on a free port of 127.0.0.1 until the test ends.
func Listen(t testing.TB) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

// Refused returns an address that refuses connections.
func Refused(t testing.TB) string {
	t.Helper()
	listener := Listen(t)
	_ = listener.Close()
	return listener.Addr().String()
}

// Serve accepts until the test ends, and waits for all connections then. It gives each connection to serve, with its
// number from 0, and closes it afterwards. It returns the listener's address.
func Serve(t testing.TB, listener net.Listener, serve func(number int, conn net.Conn)) string {
	t.Helper()
	var serving sync.WaitGroup
	serving.Go(func() {
		for number := 0; ; number++ {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				serve(number, conn)
			})
		}
	})
	t.Cleanup(func() { _ = listener.Close(); serving.Wait() })
	return listener.Addr().String()
}

// Echo sends every received byte back.
func Echo(_ int, conn net.Conn) { _, _ = io.Copy(conn, conn) }

// Endless reads as an endless row of zeros.
type Endless struct{}

// Read fills p.
func (Endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}
