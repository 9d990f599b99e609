package server_test

import (
	"io"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/handler"
	"github.com/sockgate/sockgate/gateway/server"
)

// A connection's handler is called in order, with one Open and one Close, and never twice at a time, for every way to
// end.
func TestHandlerCallsInOrder(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		s := newScript(handler.Echo{})
		g := startOn(t, engine, server.Config{Handler: s})
		const n = 200
		addr := g.addr()
		var clients sync.WaitGroup
		for i := range n {
			clients.Go(func() {
				c, err := net.Dial("tcp", addr)
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(safety))
				switch i % 4 {
				case 0:
					_, _ = c.Write([]byte("hello"))
					_ = c.(*net.TCPConn).CloseWrite()
					_, _ = io.Copy(io.Discard, c)
				case 1:
					_ = c.(*net.TCPConn).SetLinger(0)
				case 2:
					_, _ = c.Write(make([]byte, 100_000))
				}
			})
		}
		clients.Wait()
		kick, err := g.Kick(t.Context(), server.KickRequest{Targets: server.Where(match(everything)),
			Flush: 10 * time.Millisecond})
		if err != nil || kick.Matched != kick.Kicked+kick.Closed {
			t.Errorf("Kick: %+v, %v", kick, err)
		}
		g.stop()
		s.mu.Lock()
		defer s.mu.Unlock()
		good := regexp.MustCompile(`^od?e?c$`)
		for id, calls := range s.calls {
			if !good.MatchString(calls) {
				t.Errorf("the handler of %s was called %q", id, calls)
			}
		}
		if s.overlap || len(s.calls) != n {
			t.Errorf("%d connections, overlapping calls: %v", len(s.calls), s.overlap)
		}
	})
}

// A panic closes only its own connection, with the panic's text, and an event reports it.
func TestHandlerPanics(t *testing.T) {
	text := "ouch \xff" + strings.Repeat("é", 300)
	boom := func() { panic(text) }
	for _, c := range []struct {
		name   string
		hooks  hooks
		reason event.CloseReason
		calls  string
	}{
		{"Open", hooks{open: func(*server.Conn) { boom() }}, event.ReasonHandlerPanic, "oc"},
		{"Data", hooks{data: func(*server.Conn, []byte) { boom() }}, event.ReasonHandlerPanic, "odc"},
		{"End", hooks{end: func(*server.Conn) { boom() }}, event.ReasonHandlerPanic, "odec"},
		{"Close", hooks{close: func(*server.Conn, server.CloseReason) { boom() }}, event.ReasonPeerClosed, "odec"},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, func(t *testing.T, engine string) {
				s := newScript(&c.hooks)
				g := startOn(t, engine, server.Config{Listeners: []server.ListenerConfig{
					{Name: "bad", Address: "127.0.0.1:0", Handler: s},
					{Name: "good", Address: "127.0.0.1:0", Handler: handler.Echo{}}}})
				other, err := net.Dial("tcp", g.info().Listeners[1].Address)
				if err != nil {
					t.Fatal(err)
				}
				defer other.Close()
				f := g.follow(event.Error, event.Closed)
				p := g.dial()
				_, _ = p.Write([]byte("hello"))
				_ = p.CloseWrite()
				_, _ = io.Copy(io.Discard, p)
				failed := f.awaitType(event.Error, "")
				d := failed.Detail.(*event.ErrorDetail)
				if d.Operation != event.OpHandler || !strings.HasPrefix(d.Message, "ouch é") || len(d.Message) > 256 ||
					!utf8.ValidString(d.Message) {
					t.Errorf("ERROR %s %q", d.Operation, d.Message)
				}
				closed := f.awaitType(event.Closed, failed.Conn.ID()).Conn
				if closed.CloseReason != c.reason || (c.reason == event.ReasonHandlerPanic) != (closed.CloseText == d.Message) {
					t.Errorf("closed with %s, %q; expected %s", closed.CloseReason, closed.CloseText, c.reason)
				}
				if calls := s.calls[closed.ID()]; calls != c.calls {
					t.Errorf("the handler was called %q; expected %q", calls, c.calls)
				}
				mustWrite(t, other, []byte("still there"))
				mustRead(t, other, "still there")
			})
		})
	}
}

// When the gateway finishes its side first, bytes from the client still arrive.
func TestGatewayFinishesFirst(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		var got []byte
		g := startOn(t, engine, server.Config{Handler: &hooks{
			open: func(c *server.Conn) {
				_, _ = c.Send([]byte("bye"))
				c.CloseWrite()
				c.CloseWrite()
			},
			data: func(c *server.Conn, p []byte) {
				got = append(got, p...)
				if o, _ := c.Send(p); o != server.OutcomeClosed {
					t.Errorf("Send after CloseWrite: %s", o)
				}
			},
		}})
		f := g.follow(event.Closed)
		p := g.open()
		mustRead(t, p, "bye")
		mustEnd(t, p)
		if info := g.get(p.id); info.State != event.StateHalfClosedLocal {
			t.Errorf("state %s; expected HALF_CLOSED_LOCAL", info.State)
		}
		mustWrite(t, p, []byte("one more thing"))
		if err := p.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		closed := f.awaitType(event.Closed, p.id).Conn
		if closed.CloseReason != event.ReasonPeerClosed || string(got) != "one more thing" || closed.DiscardedBytes != 0 {
			t.Errorf("closed with %s, received %q, %d discarded", closed.CloseReason, got, closed.DiscardedBytes)
		}
	})
}

// When the client finishes first, the handler may go on sending and finish when it likes.
func TestClientFinishesFirst(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		ended := make(chan *server.Conn, 1)
		g := startOn(t, engine, server.Config{Handler: &hooks{end: func(c *server.Conn) { ended <- c }}})
		f := g.follow(event.Ended, event.Closed)
		p := g.open()
		if err := p.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		c := <-ended
		f.awaitType(event.Ended, p.id)
		if info := g.get(p.id); info.State != event.StateHalfClosedRemote {
			t.Errorf("state %s; expected HALF_CLOSED_REMOTE", info.State)
		}
		for range 1000 {
			if _, err := c.Send([]byte("tick ")); err != nil {
				t.Fatal(err)
			}
		}
		if o := g.send(p.id, []byte("tock"), time.Second).Outcome; o != server.OutcomeWritten {
			t.Errorf("Send: %s", o)
		}
		c.CloseWrite()
		got, err := io.ReadAll(p)
		if err != nil || string(got) != strings.Repeat("tick ", 1000)+"tock" {
			t.Errorf("the client read %d bytes, %v", len(got), err)
		}
		if closed := f.awaitType(event.Closed, p.id).Conn; closed.CloseReason != event.ReasonPeerClosed {
			t.Errorf("closed with %s", closed.CloseReason)
		}
	})
}

// Conn.Close flushes, sends FIN, and waits for the peer. Later bytes from the peer are counted and discarded.
func TestHandlerCloses(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		g := startOn(t, engine, server.Config{Handler: &hooks{data: func(c *server.Conn, p []byte) {
			_, _ = c.Send([]byte("enough"))
			c.Close(server.ReasonHandler)
			if o, _ := c.Send([]byte("!")); o != server.OutcomeClosed {
				t.Errorf("Send after Close: %s", o)
			}
		}}})
		f := g.follow(event.Closed)
		p := g.open()
		mustWrite(t, p, []byte("x"))
		mustRead(t, p, "enough")
		mustEnd(t, p)
		if info := g.get(p.id); info.State != event.StateClosing || info.CloseReason != event.ReasonHandler {
			t.Errorf("state %s, %s; expected CLOSING, HANDLER", info.State, info.CloseReason)
		}
		mustWrite(t, p, []byte("but"))
		p.Close()
		closed := f.awaitType(event.Closed, p.id).Conn
		if closed.CloseReason != event.ReasonHandler || closed.DiscardedBytes != 3 || closed.BytesReceived != 4 {
			t.Errorf("closed with %s, %d received, %d discarded; expected HANDLER, 4, 3", closed.CloseReason,
				closed.BytesReceived, closed.DiscardedBytes)
		}
	})
}

func TestUnixPeers(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		path := filepath.Join(t.TempDir(), "data.sock")
		g := startOn(t, engine, server.Config{Listeners: []server.ListenerConfig{{Address: "unix://" + path}}})
		f := g.follow(event.Connected, event.Closed)
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		sent := strings.Repeat("0123456789", 100_000)
		go func() {
			_, _ = io.WriteString(c, sent)
			_ = c.(*net.UnixConn).CloseWrite()
		}()
		mustRead(t, c, sent)
		mustEnd(t, c)
		connected := f.awaitType(event.Connected, "").Conn
		if connected.RemoteAddr() != "unix:"+path || connected.LocalAddr() != "unix:"+path || g.addr() != "unix:"+path {
			t.Errorf("remote %s, local %s, listener %s", connected.RemoteAddr(), connected.LocalAddr(), g.addr())
		}
		if closed := f.awaitType(event.Closed, connected.ID()).Conn; closed.CloseReason != event.ReasonPeerClosed ||
			closed.BytesSent != uint64(len(sent)) {
			t.Errorf("closed with %s after %d bytes", closed.CloseReason, closed.BytesSent)
		}
	})
}

// A handler reaches the verbs of its server by the connection.
func TestConnKnowsItsServer(t *testing.T) {
	servers := make(chan *server.Server, 1)
	g := start(t, server.Config{Handler: &hooks{open: func(c *server.Conn) { servers <- c.Server() }}})
	g.open()
	if got := <-servers; got != g.Server {
		t.Errorf("server %p; expected %p", got, g.Server)
	}
}
