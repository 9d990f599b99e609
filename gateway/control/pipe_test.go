package control_test

import (
	"context"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
)

// pipe is a listener in memory, for tests with a clock of their own. Its connections look like TCP connections from one
// address to one address.
type pipe struct {
	*bufconn.Listener
	from, to string
}

func newPipe(from string) pipe { return pipe{bufconn.Listen(1 << 16), from, from} }

// Accept returns the next connection.
func (p pipe) Accept() (net.Conn, error) {
	c, err := p.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return pipeConn{c, p.from, p.to}, nil
}

type pipeConn struct {
	net.Conn
	from, to string
}

func (c pipeConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(c.from), Port: 1234} }
func (c pipeConn) LocalAddr() net.Addr  { return &net.TCPAddr{IP: net.ParseIP(c.to), Port: 8018} }

// client returns a client of the pipe's server.
func (p pipe) client(t testing.TB) *grpc.ClientConn {
	t.Helper()
	return p.clientAs(t, insecure.NewCredentials())
}

// clientAs does the same as client, with credentials.
func (p pipe) clientAs(t testing.TB, as credentials.TransportCredentials) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///test", grpc.WithTransportCredentials(as),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return p.DialContext(ctx) }))
	check(t, err)
	return conn
}
