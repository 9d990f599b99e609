package server_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

// chatty is a client that sends all the time and reads only when it is told to.
type chatty struct {
	t       *testing.T
	id      string
	conn    net.Conn
	stopped chan struct{} // closed when sending has failed
}

// newChatty connects a client, with TLS where config says so, and waits until the gateway has heard it.
func newChatty(t *testing.T, g *gateway, config *tls.Config) *chatty {
	t.Helper()
	f := g.follow(event.Connected)
	defer f.sub.Close()
	c := &chatty{t: t, conn: g.dial(), stopped: make(chan struct{})}
	if config != nil {
		c.conn = tls.Client(c.conn, config)
	}
	go c.send()
	c.id = f.awaitType(event.Connected, "").Conn.ID()
	for g.get(c.id).BytesReceived == 0 {
	}
	return c
}

func (c *chatty) send() {
	defer close(c.stopped)
	for {
		if _, err := c.conn.Write([]byte("x")); err != nil {
			return
		}
	}
}

// rest reads all that is left for the client, and returns its length.
func (c *chatty) rest() uint64 {
	n, _ := io.Copy(io.Discard, c.conn) // a reset ends it, too
	return uint64(n)
}

// eachChatty runs a test on both engines, plain and with TLS. config is the client's.
func eachChatty(t *testing.T, test func(t *testing.T, g *gateway, config *tls.Config)) {
	limits := server.Limits{SendQueueLimit: 8 << 20, HighWater: 8 << 20}
	each(t, func(t *testing.T, engine string) {
		t.Run("plain", func(t *testing.T) {
			test(t, startOn(t, engine, server.Config{Handler: &hooks{}, Limits: limits}), nil)
		})
		t.Run("tls", func(t *testing.T) {
			a := newAuthority(t)
			test(t, startOn(t, engine, server.Config{Handler: &hooks{}, Limits: limits,
				Listeners: tlsListener(a.gateway(tls.NoClientCert), server.ProxyOff)}), a.client(""))
		})
	})
}

// A client that keeps sending and does not read loses what the kernel holds for it when its connection closes, because
// its bytes make the kernel reset the connection. The reply to the kick and CLOSED tell of each byte that it did not
// get.
func TestKickTellsOfLostBytes(t *testing.T) {
	const size = 1 << 20
	eachChatty(t, func(t *testing.T, g *gateway, config *tls.Config) {
		f := g.follow(event.Closed)
		c := newChatty(t, g, config)
		for range 2 {
			if r := g.send(c.id, make([]byte, size), 0); !r.Outcome.Accepted() {
				t.Fatalf("Send: %s", r.Outcome)
			}
		}
		kick, err := g.Kick(t.Context(), server.KickRequest{Targets: server.IDs(c.id), Flush: 50 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		o, closed := kick.Outcomes[0], f.awaitType(event.Closed, c.id).Conn
		got := c.rest()
		<-c.stopped
		if got+o.Unsent < 2*size || got < 2*size && o.Outcome != server.OutcomeKickedUnflushed {
			t.Errorf("%s with %d unsent, and the client got %d; expected %d in all", o.Outcome, o.Unsent, got, 2*size)
		}
		if closed.UnsentBytes != o.Unsent || closed.BytesSent+closed.UnsentBytes != 2*size {
			t.Errorf("CLOSED has %d sent and %d unsent; the outcome has %d unsent of %d", closed.BytesSent,
				closed.UnsentBytes, o.Unsent, 2*size)
		}
	})
}

// A client that keeps sending and reads gets everything before its connection closes, and nothing is unsent.
func TestKickDeliversToChattyReader(t *testing.T) {
	const size = 4 << 20
	eachChatty(t, func(t *testing.T, g *gateway, config *tls.Config) {
		c := newChatty(t, g, config)
		if r := g.send(c.id, make([]byte, size), 0); !r.Outcome.Accepted() {
			t.Fatalf("Send: %s", r.Outcome)
		}
		read := make(chan uint64, 1)
		go func() {
			read <- c.rest()
			c.conn.Close()
		}()
		kick, err := g.Kick(t.Context(), server.KickRequest{Targets: server.IDs(c.id), Flush: safety})
		if err != nil || kick.Outcomes[0].Outcome != server.OutcomeKicked || kick.Outcomes[0].Unsent != 0 {
			t.Errorf("%+v, %v; expected KICKED and nothing unsent", kick, err)
		}
		if got := <-read; got != size {
			t.Errorf("the client got %d bytes of %d", got, size)
		}
		<-c.stopped
	})
}

// A shutdown tells of lost bytes as a kick does, for all of its clients together.
func TestShutdownTellsOfLostBytes(t *testing.T) {
	const size, clients = 1 << 20, 4
	eachChatty(t, func(t *testing.T, g *gateway, config *tls.Config) {
		f := g.follow(event.Closed)
		var all []*chatty
		for range clients {
			c := newChatty(t, g, config)
			if r := g.send(c.id, make([]byte, size), 0); !r.Outcome.Accepted() {
				t.Fatalf("Send: %s", r.Outcome)
			}
			all = append(all, c)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		_ = g.Shutdown(ctx) // it is cut short: the clients do not read
		var got, unsent uint64
		for range all {
			unsent += f.awaitType(event.Closed, "").Conn.UnsentBytes
		}
		for _, c := range all {
			got += c.rest()
			<-c.stopped
		}
		if got+unsent < clients*size {
			t.Errorf("%d bytes came and %d are unsent; expected %d in all", got, unsent, clients*size)
		}
	})
}

// A client that finishes, and then resets the connection before it got the rest, does not hold its connection for the
// close timeout. CLOSED tells of the rest.
func TestResetAfterFinish(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		g := startOn(t, engine, server.Config{Limits: server.Limits{SendQueueLimit: 8 << 20, HighWater: 8 << 20},
			CloseTimeout: time.Hour, Handler: &hooks{}})
		f := g.follow(event.Closed)
		p := g.open()
		sent := uint64(1 << 20)
		if r := g.send(p.id, make([]byte, sent), 0); !r.Outcome.Accepted() {
			t.Fatalf("Send: %s", r.Outcome)
		}
		if err := p.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		for g.get(p.id).State != event.StateClosing {
		}
		if err := p.SetLinger(0); err != nil {
			t.Fatal(err)
		}
		p.Close()
		if c := f.awaitType(event.Closed, p.id).Conn; c.UnsentBytes == 0 || c.BytesSent+c.UnsentBytes != sent {
			t.Errorf("closed with %s, %d bytes sent and %d unsent of %d", c.CloseReason, c.BytesSent, c.UnsentBytes, sent)
		}
	})
}
