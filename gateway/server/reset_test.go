package server_test

import (
	"testing"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

// A reset by the peer ends a connection at every point of the gateway's work.
func TestPeerReset(t *testing.T) {
	for _, c := range []struct {
		name string
		prep func(g *gateway, p peer)
	}{
		{"idle", func(*gateway, peer) {}},
		{"after an exchange", func(g *gateway, p peer) {
			mustWrite(g.t, p, []byte("hello"))
			mustRead(g.t, p, "hello")
		}},
		{"mid-write", func(g *gateway, p peer) { g.stuff(p.id) }},
		{"while reading is paused", func(g *gateway, p peer) {
			f := g.follow(event.BackpressureOn)
			go func() {
				for buffer := make([]byte, 64<<10); ; {
					if _, err := p.Write(buffer); err != nil {
						return
					}
				}
			}()
			f.awaitType(event.BackpressureOn, p.id)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, func(t *testing.T, engine string) {
				g := startOn(t, engine, server.Config{Limits: server.Limits{SendQueueLimit: 8 << 20}})
				p := g.open()
				c.prep(g, p)
				f := g.follow(event.Closed)
				if err := p.SetLinger(0); err != nil {
					t.Fatal(err)
				}
				p.Close()
				closed := f.awaitType(event.Closed, p.id).Conn
				if closed.CloseReason != event.ReasonPeerReset || closed.CloseText == "" {
					t.Errorf("closed with %s, %q; expected PEER_RESET and a text", closed.CloseReason, closed.CloseText)
				}
				if r := g.send(p.id, []byte("late"), 0); r.Outcome != server.OutcomeClosed || r.Unsent != 4 {
					t.Errorf("Send after the close: %s, %d unsent; expected CLOSED, 4", r.Outcome, r.Unsent)
				}
			})
		})
	}
}
