package load

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve runs a server that handles each connection with handle, until the test ends.
func serve(t *testing.T, handle func(net.Conn)) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	open := make(map[net.Conn]bool)
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[c] = true
			mu.Unlock()
			all.Go(func() {
				handle(c)
				_ = c.Close()
				mu.Lock()
				delete(open, c)
				mu.Unlock()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return l.Addr().(*net.TCPAddr).AddrPort()
}

func echo(c net.Conn) { _, _ = io.Copy(struct{ io.Writer }{c}, c) }

// opened returns a client with connections.
func opened(t *testing.T, server netip.AddrPort, size, conns int) *Client {
	t.Helper()
	l, err := NewClient(server, size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	if err := l.Open(t.Context(), conns); err != nil {
		t.Fatal(err)
	}
	return l
}

// marked is a short window that counts its marks.
func marked(marks *int) Window {
	return Window{Warm: 10 * time.Millisecond, Length: 100 * time.Millisecond, Mark: func() { *marks++ }}
}

func TestEcho(t *testing.T) {
	for _, size := range []int{MinMessage, 64, 16 << 10, MaxMessage} {
		marks := 0
		r, err := opened(t, serve(t, echo), size, 5).Echo(t.Context(), marked(&marks))
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if r.Messages == 0 || uint64(r.Latency.TotalCount()) != r.Messages || marks != 2 || r.Elapsed < 100*time.Millisecond {
			t.Errorf("%d bytes: %d messages, %d latencies, %d marks, %s", size, r.Messages, r.Latency.TotalCount(), marks,
				r.Elapsed)
		}
	}
}

// TestFixedKeepsSending holds that Fixed does not wait for answers: a server that gives each connection one answer and
// no more gets all messages, and every message that it left unanswered is a late one.
func TestFixedKeepsSending(t *testing.T) {
	var got atomic.Int64
	server := serve(t, func(c net.Conn) {
		p := make([]byte, 64)
		if n, err := io.ReadFull(c, p); err != nil || n != 64 {
			return
		}
		_, _ = c.Write(p)
		n, _ := io.Copy(io.Discard, c)
		got.Add(1 + n/64)
	})
	marks := 0
	client := opened(t, server, 64, 4)
	const rate = 5000
	r, err := client.Fixed(t.Context(), rate, marked(&marks))
	if err != nil {
		t.Fatal(err)
	}
	var due uint64
	for i := range client.conns {
		due += client.conns[i].sent
	}
	if least := uint64(rate / 10 * 9 / 10); r.Unanswered < least || due < least {
		t.Errorf("%d messages were sent and %d unanswered in a tenth of a second; expected about %d", due, r.Unanswered,
			rate/10)
	}
	if uint64(r.Latency.TotalCount()) != r.Messages+r.Unanswered {
		t.Errorf("%d latencies for %d messages and %d late ones", r.Latency.TotalCount(), r.Messages, r.Unanswered)
	}
}

func TestFixedKeepsItsRate(t *testing.T) {
	marks := 0
	client := opened(t, serve(t, echo), 64, 4)
	const rate = 1000
	r, err := client.Fixed(t.Context(), rate, marked(&marks))
	if err != nil {
		t.Fatal(err)
	}
	if most := uint64(rate*client.now().Seconds()) + 1; r.Messages > most {
		t.Errorf("%d messages; there was time for %d", r.Messages, most)
	}
}

// TestWrongAnswers holds that the load finds out a server that does anything but echo.
func TestWrongAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		handle func(net.Conn)
		want   string
	}{
		"a changed last byte": {func(c net.Conn) {
			p := make([]byte, 64)
			for {
				if _, err := io.ReadFull(c, p); err != nil {
					return
				}
				p[63]++
				_, _ = c.Write(p)
			}
		}, "is not what was sent"},
		"a repeated message": {func(c net.Conn) {
			p := make([]byte, 64)
			_, _ = io.ReadFull(c, p)
			for {
				if _, err := c.Write(p); err != nil {
					return
				}
				if _, err := io.ReadFull(c, make([]byte, 64)); err != nil {
					return
				}
			}
		}, "is not what was sent"},
		"more than was sent": {func(c net.Conn) {
			p := make([]byte, 64)
			_, _ = io.ReadFull(c, p)
			next := bytes.Clone(p)
			next[8]++ // the stamp of the next message
			_, _ = c.Write(append(p, next...))
			_, _ = io.Copy(io.Discard, c)
		}, "is not what was sent"},
		"an early end": {func(c net.Conn) { _, _ = io.ReadFull(c, make([]byte, 64)) }, "ended the connection"},
	} {
		t.Run(name, func(t *testing.T) {
			marks := 0
			_, err := opened(t, serve(t, c.handle), 64, 3).Echo(t.Context(), marked(&marks))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v; expected an error that says %q", err, c.want)
			}
		})
	}
}

func TestEchoOnce(t *testing.T) {
	client := opened(t, serve(t, echo), 64, 20)
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

// TestChurn holds that each counted life was whole: the server saw 64 bytes and then the end, and no reset.
func TestChurn(t *testing.T) {
	var whole, broken atomic.Uint64
	server := serve(t, func(c net.Conn) {
		var all bytes.Buffer
		if _, err := io.Copy(io.MultiWriter(c, &all), c); err != nil || all.Len() != 64 {
			broken.Add(1)
		} else {
			whole.Add(1)
		}
	})
	marks := 0
	r, err := Churn(t.Context(), server, 5, 64, marked(&marks))
	if err != nil {
		t.Fatal(err)
	}
	if r.Messages == 0 || r.Messages > whole.Load() || broken.Load() > 5 || marks != 2 { // the last five are cut off
		t.Errorf("%d lives; the server saw %d whole and %d others; %d marks", r.Messages, whole.Load(), broken.Load(), marks)
	}
}

func TestBroadcast(t *testing.T) {
	var mu sync.Mutex
	var all []net.Conn
	server := serve(t, func(c net.Conn) {
		mu.Lock()
		all = append(all, c)
		mu.Unlock()
		_, _ = io.Copy(io.Discard, c)
	})
	client := opened(t, server, 64, 30)
	send := func(message []byte) func(context.Context) error {
		return func(context.Context) error {
			for sent := 0; sent < client.Len(); {
				mu.Lock()
				for ; sent < len(all); sent++ {
					_, _ = all[sent].Write(message[:10])
					_, _ = all[sent].Write(message[10:])
				}
				mu.Unlock()
			}
			return nil
		}
	}
	message := bytes.Repeat([]byte("b"), 64)
	for range 2 {
		if took, err := client.Broadcast(t.Context(), message, send(message)); err != nil || took <= 0 {
			t.Fatalf("%s, %v", took, err)
		}
	}
	refused := errors.New("refused")
	_, err := client.Broadcast(t.Context(), message, func(context.Context) error { return refused })
	if !errors.Is(err, refused) {
		t.Errorf("%v; expected the error of what triggers the broadcast", err)
	}
	if _, err := client.Broadcast(t.Context(), message, send(bytes.Repeat([]byte("c"), 64))); err == nil {
		t.Error("another message was taken for the one that was broadcast")
	}
}

func TestNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().(*net.TCPAddr).AddrPort()
	_ = l.Close()
	client, err := NewClient(address, 64)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.Open(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("%v; expected that the connection is refused", err)
	}
	if _, err := NewClient(netip.MustParseAddrPort("192.0.2.1:80"), 64); err == nil {
		t.Error("a server on another machine was taken")
	}
}
