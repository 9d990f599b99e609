package server_test

import (
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/frame"
	"github.com/sockgate/sockgate/gateway/handler"
	"github.com/sockgate/sockgate/gateway/server"
)

// eachWire runs a test on both engines, plain and with TLS. dial connects a client, and returns its ID.
func eachWire(t *testing.T, config func() server.Config, format string,
	test func(t *testing.T, g *gateway, dial func() (net.Conn, string))) {
	f, err := frame.Parse(format)
	if err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, engine string) {
		for _, secure := range []string{"plain", "tls"} {
			t.Run(secure, func(t *testing.T) {
				c, a := config(), newAuthority(t)
				c.Listeners = []server.ListenerConfig{{Name: "main", Address: "127.0.0.1:0"}}
				if secure == "tls" {
					c.Listeners = tlsListener(a.gateway(tls.NoClientCert), server.ProxyOff)
				}
				c.Listeners[0].Frame = f
				g := startOn(t, engine, c)
				test(t, g, func() (net.Conn, string) {
					if secure == "plain" {
						p := g.open()
						return p.TCPConn, p.id
					}
					events := g.follow(event.Connected)
					defer events.sub.Close()
					client := tls.Client(g.dial(), a.client(""))
					if err := client.Handshake(); err != nil {
						t.Fatal(err)
					}
					return client, events.awaitType(event.Connected, "").Conn.ID()
				})
			})
		}
	})
}

// awaitReceived waits until the gateway has received n bytes of a connection.
func (g *gateway) awaitReceived(id string, n uint64) {
	for g.get(id).BytesReceived < n {
		runtime.Gosched()
	}
}

// Echo gives frames back whole, wherever TCP cuts them.
func TestEchoOfFrames(t *testing.T) {
	for format, wire := range map[string]string{
		"line":             "GET\r\n\nlonger\n",
		"delimiter:7e":     "ab~cd~",
		"length:2,le":      "\x03\x00abc\x00\x00",
		"length:1,strip=1": "\x01a\x02bc",
		"varint,offset=1":  "\x30\x02ab\x30\x00",
	} {
		t.Run(format, func(t *testing.T) {
			eachWire(t, func() server.Config { return server.Config{} }, format,
				func(t *testing.T, g *gateway, dial func() (net.Conn, string)) {
					c, id := dial()
					received := uint64(0)
					for cut := 1; cut < len(wire); cut++ {
						mustWrite(t, c, []byte(wire[:cut]))
						received += uint64(cut)
						g.awaitReceived(id, received)
						mustWrite(t, c, []byte(wire[cut:]))
						received += uint64(len(wire) - cut)
						mustRead(t, c, wire)
					}
				})
		})
	}
}

// Bytes that are no frames, half a frame in time, and a FIN within a frame: the client gets what was due, and CLOSED
// tells the position.
func TestEndsOfFrames(t *testing.T) {
	f := func() server.Config { return server.Config{CloseTimeout: 50 * time.Millisecond} }
	eachWire(t, f, "length:4", func(t *testing.T, g *gateway, dial func() (net.Conn, string)) {
		events := g.follow(event.Closed)
		for _, c := range []struct {
			wire, text string
			fin        bool
			reason     server.CloseReason
		}{
			{wire: "\x00\x00\x00\x01a\x7f\xff\xff\xff", reason: server.ReasonFrame,
				text: "frame of length:4 at byte 5: its length field says 2147483647"},
			{wire: "\x00\x00\x00\x01a\x00\x00\x00\x05b", reason: server.ReasonPeerClosed, fin: true,
				text: "the peer finished within a frame: 5 bytes of it came, from byte 5 on"},
		} {
			conn, id := dial()
			mustWrite(t, conn, []byte(c.wire))
			if c.fin {
				if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
					t.Fatal(err)
				}
			}
			mustRead(t, conn, c.wire[:5])
			mustEnd(t, conn)
			conn.Close()
			i := events.awaitType(event.Closed, id).Conn
			if i.CloseReason != c.reason || !strings.HasPrefix(i.CloseText, c.text) ||
				i.DiscardedBytes != uint64(len(c.wire)-5) {
				t.Errorf("closed with %s %q, %d discarded; expected %s %q", i.CloseReason, i.CloseText, i.DiscardedBytes,
					c.reason, c.text)
			}
		}
	})
}

// Half a frame that does not go on closes its connection.
func TestHalfFrameOnSockets(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		f, err := frame.Parse("line")
		if err != nil {
			t.Fatal(err)
		}
		g := startOn(t, engine, server.Config{CloseTimeout: 50 * time.Millisecond, Listeners: []server.ListenerConfig{
			{Name: "main", Address: "127.0.0.1:0", Frame: f, FrameTimeout: 50 * time.Millisecond}}})
		events := g.follow(event.Closed)
		p := g.open()
		mustWrite(t, p, []byte("whole\nhalf"))
		mustRead(t, p, "whole\n")
		mustEnd(t, p)
		if i := events.awaitType(event.Closed, p.id).Conn; i.CloseReason != server.ReasonFrame ||
			!strings.HasPrefix(i.CloseText, "frame of line at byte 6: 4 bytes of it came") {
			t.Errorf("closed with %s %q", i.CloseReason, i.CloseText)
		}
	})
}

// A handler that pauses holds up a peer that sends at full speed: nothing is read, and nothing is lost.
func TestPauseUnderFlood(t *testing.T) {
	const size = 16 << 20
	for _, format := range []string{"raw", "fixed:1024"} {
		t.Run(format, func(t *testing.T) {
			paused := make(chan *server.Conn, 1)
			config := func() server.Config {
				var once sync.Once
				return server.Config{Handler: &hooks{data: func(c *server.Conn, _ []byte) {
					once.Do(func() { c.Pause(); paused <- c })
				}}}
			}
			eachWire(t, config, format, func(t *testing.T, g *gateway, dial func() (net.Conn, string)) {
				events := g.follow(event.BackpressureOn, event.BackpressureOff)
				client, id := dial()
				var writing sync.WaitGroup
				writing.Go(func() {
					_, _ = client.Write(make([]byte, size))
					_ = client.(interface{ CloseWrite() error }).CloseWrite()
				})
				c := <-paused
				e := events.awaitType(event.BackpressureOn, id)
				if d := e.Detail.(*event.PauseDetail); d.Cause != event.CauseHandler || !e.Conn.ReadPaused ||
					e.Conn.BytesReceived > 2*64<<10 {
					t.Errorf("%+v, %d bytes received; expected the handler's pause, and two reads", d, e.Conn.BytesReceived)
				}
				before := g.get(id).BytesReceived
				c.Resume()
				d := events.awaitType(event.BackpressureOff, id).Detail.(*event.PauseDetail)
				if d.Cause != event.CauseHandler || before > 2*64<<10 {
					t.Errorf("%+v, %d bytes received", d, before)
				}
				if n, err := io.Copy(io.Discard, client); n != 0 || err != nil {
					t.Errorf("%d bytes, %v", n, err)
				}
				writing.Wait()
				if i := c.Info(); i.BytesReceived != size || i.DiscardedBytes != 0 {
					t.Errorf("%d received, %d discarded; expected all %d", i.BytesReceived, i.DiscardedBytes, size)
				}
				if n := g.info().Totals.HandlerPauses; n != 1 {
					t.Errorf("%d pauses of the handler", n)
				}
				client.Close()
			})
		})
	}
}

// later is a handler that owes an answer to each read, and is told when a full queue drains.
type later struct {
	server.BaseHandler
	owes    chan *server.Conn
	drained chan *server.Conn
}

func newLater() later {
	return later{owes: make(chan *server.Conn, 1), drained: make(chan *server.Conn, 16)}
}

func (h later) Data(c *server.Conn, _ []byte) { c.Owe(); h.owes <- c }

func (h later) Drained(c *server.Conn) { h.drained <- c }

// An answer that is given after a kick began still arrives, before the farewell, and the kick takes no longer than it.
func TestKickWaitsForOwedAnswer(t *testing.T) {
	h := newLater()
	eachWire(t, func() server.Config { return server.Config{Handler: h} }, "raw",
		func(t *testing.T, g *gateway, dial func() (net.Conn, string)) {
			client, id := dial()
			mustWrite(t, client, []byte("question"))
			c := <-h.owes
			kicked := make(chan server.KickResult, 1)
			go func() {
				r, _ := g.Kick(t.Context(), server.KickRequest{Targets: server.IDs(id), Farewell: []byte("bye"), Flush: time.Hour})
				kicked <- r
			}()
			for c.Info().CloseReason == event.ReasonNone {
				runtime.Gosched()
			}
			if _, err := c.Apply(server.Change{Data: []byte("answer,"), Settled: true}); err != nil {
				t.Fatal(err)
			}
			mustRead(t, client, "answer,bye")
			mustEnd(t, client)
			client.Close()
			if r := <-kicked; r.Kicked != 1 || r.Outcomes[0].Outcome != server.OutcomeKicked {
				t.Errorf("%+v; expected KICKED", r)
			}
		})
}

// A handler that fills the queue of a peer that does not read is told when the peer has begun to.
func TestDrainedOnSockets(t *testing.T) {
	h := newLater()
	eachWire(t, func() server.Config { return server.Config{Handler: h} }, "raw",
		func(t *testing.T, g *gateway, dial func() (net.Conn, string)) {
			client, id := dial()
			c, ok := g.Conn(id)
			if !ok {
				t.Fatal("no connection")
			}
			data, sent := make([]byte, 64<<10), 0
			for high := false; !high; {
				r, err := c.Apply(server.Change{Data: data})
				if err != nil {
					t.Fatal(err)
				}
				sent, high = sent+len(data), r.High
			}
			if n, err := io.CopyN(io.Discard, client, int64(sent)); err != nil {
				t.Fatalf("%d bytes, %v", n, err)
			}
			if got := <-h.drained; got != c {
				t.Errorf("drained is %s; expected %s", got.ID(), id)
			}
			client.Close()
		})
}

// The built-in echo answers frames that are larger than a read, and than the send queue's limit.
func TestEchoOfLargeFrames(t *testing.T) {
	f, err := frame.Parse("length:4")
	if err != nil {
		t.Fatal(err)
	}
	const size = 8 << 20
	each(t, func(t *testing.T, engine string) {
		g := startOn(t, engine, server.Config{Handler: handler.Echo{}, Listeners: []server.ListenerConfig{
			{Name: "main", Address: "127.0.0.1:0", Frame: f, MaxFrame: 16 << 20}}})
		p := g.open()
		wire := append([]byte{0, 0x80, 0, 0}, make([]byte, size)...)
		var writing sync.WaitGroup
		writing.Go(func() {
			for range 2 {
				_, _ = p.Write(wire)
			}
		})
		if n, err := io.CopyN(io.Discard, p, 2*int64(len(wire))); err != nil {
			t.Errorf("%d bytes came back, %v", n, err)
		}
		writing.Wait()
		for limit := time.Now().Add(safety); g.info().Totals.UnacknowledgedBytes != 0; runtime.Gosched() {
			if time.Now().After(limit) { // it is given back a moment after the answer
				t.Fatalf("%d bytes are counted as held, with no half frame", g.info().Totals.UnacknowledgedBytes)
			}
		}
	})
}
