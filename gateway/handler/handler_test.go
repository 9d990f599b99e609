package handler_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/handler"
	"github.com/sockgate/sockgate/gateway/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve runs a server with a handler, and returns it with a client that is connected.
func serve(t *testing.T, h server.Handler) (*server.Server, *net.TCPConn) {
	t.Helper()
	s, err := server.New(server.Config{Node: "test", Handler: h,
		Listeners: []server.ListenerConfig{{Address: "127.0.0.1:0"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(context.Background()) }()
	info := s.Gateway()
	c, err := net.Dial("tcp", info.Listeners[0].Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		s.StartDrain(server.DrainRequest{})
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return s, c.(*net.TCPConn)
}

// TestHandlers holds that each handler gives its whole answer to a client that sends its bytes and finishes.
func TestHandlers(t *testing.T) {
	long := strings.Repeat("0123456789", 100_000)
	for _, c := range []struct {
		name, want string
		handler    server.Handler
		say, hear  string
	}{
		{"echo", "echo", handler.Echo{}, "hello", "hello"},
		{"echo, nothing said", "echo", handler.Echo{}, "", ""},
		{"echo, much said", "echo", handler.Echo{}, long, long},
		{"echo by pointer", "echo", &handler.Echo{}, "hello", "hello"},
		{"echo with greeting", "echo", handler.Echo{Greeting: []byte("welcome\n")}, "hello", "welcome\nhello"},
		{"echo with prefix", "echo", handler.Echo{Prefix: []byte("> ")}, "hello", "> hello"},
		{"echo with the longest greeting", "echo", handler.Echo{Greeting: []byte(long[:handler.MaxPrefix])},
			"hello", long[:handler.MaxPrefix] + "hello"},
		{"sink", "sink", handler.Sink{}, long, ""},
		{"sink with greeting", "sink", handler.Sink{Greeting: []byte("welcome\n")}, long, "welcome\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, client := serve(t, c.handler)
			go func() {
				_, _ = io.WriteString(client, c.say)
				_ = client.CloseWrite()
			}()
			heard, err := io.ReadAll(client)
			if err != nil || string(heard) != c.hear {
				t.Errorf("heard %d bytes, %v; expected %d", len(heard), err, len(c.hear))
			}
			if info := s.Gateway(); info.Listeners[0].Handler != c.want {
				t.Errorf("the handler is called %q", info.Listeners[0].Handler)
			}
		})
	}
}

// TestPrefixOfBulk holds that the prefix comes before each read and that no byte is lost: the answer without the
// prefixes is the text that was sent.
func TestPrefixOfBulk(t *testing.T) {
	_, client := serve(t, handler.Echo{Prefix: []byte("\x00prefix\x00")})
	sent := bytes.Repeat([]byte("0123456789abcdef"), 128<<10)
	go func() {
		_, _ = client.Write(sent)
		_ = client.CloseWrite()
	}()
	heard, err := io.ReadAll(client)
	if err != nil || !bytes.HasPrefix(heard, []byte("\x00prefix\x00")) {
		t.Errorf("heard %d bytes, %v", len(heard), err)
	}
	if !bytes.Equal(bytes.ReplaceAll(heard, []byte("\x00prefix\x00"), nil), sent) {
		t.Error("without its prefixes the answer is not what was sent")
	}
}

// TestLongestPrefixIsHeldBack holds that a peer that does not read the longest prefixes is held back, not cut off.
func TestLongestPrefixIsHeldBack(t *testing.T) {
	s, client := serve(t, handler.Echo{Prefix: make([]byte, handler.MaxPrefix)})
	sub, err := s.Subscribe(server.SubscribeRequest{Types: event.Types(0).With(event.BackpressureOn).With(event.Closed)})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	go func() {
		_, _ = client.Write(make([]byte, 16<<20))
		_ = client.CloseWrite()
	}()
	events, err := sub.Next(t.Context(), nil)
	if err != nil || events[0].Type != event.BackpressureOn {
		t.Errorf("the first thing that happens is %v, %v; expected BACKPRESSURE_ON", events, err)
	}
	if n, err := io.Copy(io.Discard, client); err != nil || n < 16<<20 {
		t.Errorf("heard %d bytes, %v", n, err)
	}
	events, err = sub.Next(t.Context(), nil)
	for err == nil && events[len(events)-1].Type != event.Closed {
		events, err = sub.Next(t.Context(), nil)
	}
	if err != nil || events[len(events)-1].Conn.CloseReason != event.ReasonPeerClosed {
		t.Errorf("%v, %v; expected the orderly end", events, err)
	}
}
