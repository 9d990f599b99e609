package load

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sockgate/sockgate/gateway/compare/internal/selfsigned"
)

// serveTLS is serve with TLS. It also returns the configuration for its clients.
func serveTLS(t *testing.T, handle func(net.Conn), change func(*tls.Config)) (netip.AddrPort, *tls.Config) {
	t.Helper()
	pair, err := selfsigned.Make(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := tls.LoadX509KeyPair(pair.CertFile, pair.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{certificate}}
	if change != nil {
		change(config)
	}
	return serve(t, func(c net.Conn) {
		secure := tls.Server(c, config)
		handle(secure)
		_ = secure.Close()
	}), pair.Client
}

// openedTLS returns a client with TLS connections.
func openedTLS(t *testing.T, handle func(net.Conn), size, conns int) *Client {
	t.Helper()
	server, config := serveTLS(t, handle, nil)
	l, err := NewTLSClient(server, size, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	if err := l.Open(t.Context(), conns); err != nil {
		t.Fatal(err)
	}
	return l
}

// TestTLSEcho holds that messages of every size come back whole, also those of many records that sockets cannot hold at
// once.
func TestTLSEcho(t *testing.T) {
	for _, size := range []int{MinMessage, 64, 16 << 10, MaxMessage} {
		marks := 0
		r, err := openedTLS(t, echo, size, 5).Echo(t.Context(), marked(&marks))
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if r.Messages == 0 || uint64(r.Latency.TotalCount()) != r.Messages || marks != 2 {
			t.Errorf("%d bytes: %d messages, %d latencies, %d marks", size, r.Messages, r.Latency.TotalCount(), marks)
		}
	}
}

func TestTLSEchoOnce(t *testing.T) {
	client := openedTLS(t, echo, 64, 20)
	for _, first := range []int{0, 10} {
		if err := client.EchoOnce(t.Context(), first); err != nil {
			t.Fatal(err)
		}
	}
	for i := range client.conns {
		if want := uint64(1 + i/10); client.conns[i].received != want {
			t.Errorf("connection %d got %d messages; expected %d", i, client.conns[i].received, want)
		}
	}
}

// TestTLSRecordsTogether holds that the client sees all records that came together, although they make one event.
func TestTLSRecordsTogether(t *testing.T) {
	client := openedTLS(t, func(c net.Conn) {
		p := make([]byte, 64)
		for {
			if _, err := io.ReadFull(c, p); err != nil {
				return
			}
			for b := range bytes.SplitSeq(p, nil) {
				if _, err := c.Write(b); err != nil {
					return
				}
			}
		}
	}, 64, 3)
	marks := 0
	if r, err := client.Echo(t.Context(), marked(&marks)); err != nil || r.Messages == 0 {
		t.Errorf("%d messages, %v", r.Messages, err)
	}
}

// TestTLSWrongAnswers holds that the load finds out a server that does not echo, or whose name it does not trust.
func TestTLSWrongAnswers(t *testing.T) {
	changed := func(c net.Conn) {
		p := make([]byte, 64)
		for {
			if _, err := io.ReadFull(c, p); err != nil {
				return
			}
			p[63]++
			_, _ = c.Write(p)
		}
	}
	marks := 0
	_, err := openedTLS(t, changed, 64, 3).Echo(t.Context(), marked(&marks))
	if err == nil || !strings.Contains(err.Error(), "is not what was sent") {
		t.Errorf("%v; expected that a changed byte is seen", err)
	}
	server, _ := serveTLS(t, changed, nil)
	other, err := selfsigned.Make(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	client, err := NewTLSClient(server, 64, other.Client)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.Open(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("%v; expected that the certificate is not trusted", err)
	}
	server, config := serveTLS(t, changed, nil)
	_, err = ChurnTLS(t.Context(), server, 2, 64, config, marked(&marks))
	if err == nil || !strings.Contains(err.Error(), "is not what was sent") {
		t.Errorf("%v; expected that a changed byte is seen", err)
	}
}

// TestTLSHandshakeIsFull holds that the load refuses an older version of TLS and a resumed session: they cost a server
// something else.
func TestTLSHandshakeIsFull(t *testing.T) {
	server, config := serveTLS(t, echo, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 })
	old := config.Clone()
	old.MinVersion = tls.VersionTLS12
	client, err := NewTLSClient(server, 64, old)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	err = client.Open(t.Context(), 1)
	if err == nil || !strings.Contains(err.Error(), "TLS 1.2, resumed: false; expected TLS 1.3") {
		t.Errorf("%v; expected that the version is refused", err)
	}
	server, config = serveTLS(t, echo, nil)
	remembers := config.Clone()
	remembers.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	w := Window{Length: time.Minute} // the second connection ends it
	_, err = ChurnTLS(t.Context(), server, 1, 64, remembers, w)
	if err == nil || !strings.Contains(err.Error(), "resumed: true") {
		t.Errorf("%v; expected that a resumed session is refused", err)
	}
}

// TestTLSSmallBuffers holds that bytes that the kernel does not take at once are sent later.
func TestTLSSmallBuffers(t *testing.T) {
	client := openedTLS(t, echo, MaxMessage, 3)
	for i := range client.conns {
		if err := unix.SetsockoptInt(int(client.conns[i].fd), unix.SOL_SOCKET, unix.SO_SNDBUF, 4<<10); err != nil {
			t.Fatal(err)
		}
	}
	marks := 0
	if r, err := client.Echo(t.Context(), marked(&marks)); err != nil || r.Messages == 0 {
		t.Errorf("%d messages, %v", r.Messages, err)
	}
}

// TestChurnTLS holds that each counted life was whole: a full handshake, 64 bytes and then the end, of TLS and of TCP.
func TestChurnTLS(t *testing.T) {
	var whole, broken atomic.Uint64
	server, config := serveTLS(t, func(c net.Conn) {
		var all bytes.Buffer
		_, err := io.Copy(io.MultiWriter(c, &all), c)
		if state := c.(*tls.Conn).ConnectionState(); err != nil || all.Len() != 64 || state.DidResume {
			broken.Add(1)
		} else {
			whole.Add(1)
		}
	}, nil)
	marks := 0
	r, err := ChurnTLS(t.Context(), server, 5, 64, config, marked(&marks))
	if err != nil {
		t.Fatal(err)
	}
	if r.Messages == 0 || uint64(r.Latency.TotalCount()) != r.Messages || r.Messages > whole.Load() ||
		broken.Load() > 5 || marks != 2 {
		t.Errorf("%d lives, %d latencies; the server saw %d whole and %d others; %d marks",
			r.Messages, r.Latency.TotalCount(), whole.Load(),
			broken.Load(), marks)
	}
	if r.Elapsed < 100*time.Millisecond {
		t.Errorf("%s; expected the length that was asked for", r.Elapsed)
	}
}
