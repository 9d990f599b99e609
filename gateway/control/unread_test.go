package control_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/sockgate/sockgate/gateway/auth"
	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/gatewaytest"
)

// unbuffered is a listener in memory whose connections have no buffer: a client that does not read blocks the server at
// its first byte.
type unbuffered struct {
	accepted chan net.Conn
	closed   context.Context
	close    context.CancelFunc
}

func newUnbuffered() unbuffered {
	ctx, cancel := context.WithCancel(context.Background())
	return unbuffered{make(chan net.Conn), ctx, cancel}
}

func (l unbuffered) Accept() (net.Conn, error) {
	select {
	case c := <-l.accepted:
		return c, nil
	case <-l.closed.Done():
		return nil, net.ErrClosed
	}
}

func (l unbuffered) Addr() net.Addr { return &net.TCPAddr{} }

func (l unbuffered) Close() error {
	l.close()
	return nil
}

// client returns a client of the listener's server.
func (l unbuffered) client(t *testing.T) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///test", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
			client, server := net.Pipe()
			l.accepted <- pipeConn{server, "127.0.0.1", "127.0.0.1"}
			return client, nil
		}))
	check(t, err)
	return conn
}

// deaf connects a client that reads only the server's settings.
func (l unbuffered) deaf(t *testing.T) (*http2.Framer, net.Conn) {
	t.Helper()
	client, server := net.Pipe()
	t.Cleanup(func() { _ = client.Close() })
	l.accepted <- pipeConn{server, "127.0.0.1", "127.0.0.1"}
	f := http2.NewFramer(client, client)
	written := make(chan error, 1)
	go func() {
		_, err := io.WriteString(client, http2.ClientPreface)
		if err == nil {
			err = f.WriteSettings()
		}
		written <- err
	}()
	for {
		frame, err := f.ReadFrame()
		check(t, err)
		if s, ok := frame.(*http2.SettingsFrame); ok && s.IsAck() {
			break
		}
	}
	check(t, <-written)
	return f, client
}

// headers encodes the headers of a call without an index.
func headers(t *testing.T, method, kind, token string) []byte {
	t.Helper()
	var block bytes.Buffer
	h := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":path", method}, {":authority", "x"},
		{"content-type", kind}, {"te", "trailers"}, {"authorization", "Bearer " + token}} {
		check(t, h.WriteField(hpack.HeaderField{Name: f[0], Value: f[1], Sensitive: true}))
	}
	return block.Bytes()
}

// TestUnreadRefusals checks that the gateway reads no more frames of a client that reads none of the refusals, although
// the client has proven nothing and makes no call.
func TestUnreadRefusals(t *testing.T) {
	t.Parallel()
	l := newUnbuffered()
	serveOn(t, l, l.client(t), gatewaytest.Start(t).Server, control.Config{Auth: auth.Config{Required: true}})
	f, conn := l.deaf(t)
	block := headers(t, "/a/b", strings.Repeat("x", 8<<10), "")
	check(t, conn.SetWriteDeadline(time.Now().Add(2*time.Second)))
	for i := range 100 {
		if f.WriteHeaders(http2.HeadersFrameParam{StreamID: uint32(2*i + 1), BlockFragment: block,
			EndHeaders: true}) != nil {
			return // the gateway has stopped reading
		}
	}
	t.Error("the gateway holds the refusals of 100 frames")
}
