package transport_test

import (
	"errors"
	"io"
	"net"
	"testing"

	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

// The oldest handshake that waits for its peer gives way to a newcomer from the same address, at the address's share.
// Its socket stays open until the peer says another word, or the socket is closed.
func TestGivesWay(t *testing.T) {
	eachGate(t, func(g *gate) { g.shares = true }, func(t *testing.T, g *gate) {
		g.engine.layer.SetMax(4)
		g.engine.layer.SetPatience(0)
		var peers []net.Conn
		var raws []pending
		stall := func() {
			peer := g.peer(t)
			peers, raws = append(peers, peer), append(raws, g.next(t))
			write(t, peer, hello(t))
			if _, err := io.ReadFull(peer, make([]byte, 100)); err != nil { // the handshake waits for its peer now
				t.Fatal(err)
			}
		}
		stall()
		g.awaitHandshakes(t, 1, 0)
		stall()
		g.awaitHandshakes(t, 2, 0)
		for i := range 2 {
			stall()
			if from := <-g.gaveWay; from != peers[i].LocalAddr().String() {
				t.Errorf("%s gave way; expected %s, number %d", from, peers[i].LocalAddr(), i)
			}
			g.awaitHandshakes(t, 2, 0)
		}
		if len(g.engine.broken) > 0 {
			t.Fatalf("broken: %v; expected that sockets stay open", <-g.engine.broken)
		}
		write(t, peers[0], []byte{20})
		if err := g.fails(t); !errors.Is(err, transport.ErrGaveWay) {
			t.Errorf("broken: %v; expected ErrGaveWay after another word", err)
		}
		raws[1].raw.Close(false)
		if err := g.fails(t); !errors.Is(err, transport.ErrGaveWay) || !errors.Is(err, net.ErrClosed) {
			t.Errorf("broken: %v; expected ErrGaveWay and net.ErrClosed", err)
		}
		g.open(t, clientConfig("TLS 1.3"))
	})
}
