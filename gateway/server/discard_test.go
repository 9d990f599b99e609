package server_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

// fill sends at full speed until the gateway reads no more, and returns how much it took.
func fill(t *testing.T, c net.Conn) (n int) {
	t.Helper()
	block := make([]byte, 64<<10)
	for n < 16*server.MaxDiscarded {
		if err := c.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		written, err := c.Write(block)
		n += written
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Fatalf("the gateway took %d bytes while the connection was ending, and more", n)
	return n
}

// A connection that is ending reads a bounded number of bytes from a peer that keeps sending. It then waits for the
// peer to acknowledge the rest, which arrives whole.
func TestDiscardIsBounded(t *testing.T) {
	const size = 4 << 20
	eachChatty(t, func(t *testing.T, g *gateway, config *tls.Config) {
		p := newTalker(t, g, config)
		if r := g.send(p.id, make([]byte, size), 0); !r.Outcome.Accepted() {
			t.Fatalf("Send: %s", r.Outcome)
		}
		kicked := make(chan error, 1)
		go func() {
			_, err := g.Kick(t.Context(), server.KickRequest{Targets: server.IDs(p.id), Flush: safety})
			kicked <- err
		}()
		for g.get(p.id).State != event.StateClosing {
		}
		took := fill(t, p.conn)
		const reads = 2 * 64 << 10 // that were on their way
		if n := g.get(p.id).DiscardedBytes; n < server.MaxDiscarded || n > server.MaxDiscarded+reads {
			t.Errorf("%d bytes were discarded, of %d; expected %d", n, took, server.MaxDiscarded)
		}
		if got, err := io.Copy(io.Discard, p.conn); err != nil || got != size {
			t.Errorf("the client got %d bytes of %d, %v", got, size, err)
		}
		c, ok := g.Conn(p.id)
		if !ok {
			t.Fatal("the connection closed before its flush timeout, and its peer had not finished")
		}
		c.Abort(server.ReasonHandler)
		<-kicked
	})
}

// talker is a client, and the ID of its connection.
type talker struct {
	id   string
	conn net.Conn
}

// newTalker connects a client, with TLS where config says so.
func newTalker(t *testing.T, g *gateway, config *tls.Config) talker {
	t.Helper()
	f := g.follow(event.Connected)
	defer f.sub.Close()
	c := net.Conn(g.dial())
	if config != nil {
		c = tls.Client(c, config)
	}
	mustWrite(t, c, []byte("x"))
	return talker{id: f.awaitType(event.Connected, "").Conn.ID(), conn: c}
}
