package transport_test

import (
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

// A crowd of peers begins large ClientHellos and stops. It is refused once it has used up the budget that all large
// ones share. Clients with ordinary ClientHellos are still served, and the budget comes back.
func TestHelloBudget(t *testing.T) {
	eachGate(t, nil, func(t *testing.T, g *gate) {
		const size, budget = 60_000, 32 << 20
		large := []byte{1, 0, 0xfd, 0xe8} // a ClientHello of 65,000 bytes
		sends := make([]byte, 0, size)
		for part := slices.Concat(large, make([]byte, size)); len(sends) < size; part = part[1000:] {
			sends = append(append(sends, 22, 3, 1, 1000>>8, 1000&0xff), part[:1000]...)
		}
		var peers []net.Conn
		for len(g.engine.broken) == 0 && len(peers) < 2*budget/size {
			peer := g.peer(t)
			p := g.next(t)
			_, _ = peer.Write(sends) // the last one may meet the end
			await(t, "the ClientHello", func() bool {
				return len(g.engine.broken) > 0 || transport.Collected(p.end) == len(sends)
			})
			peers = append(peers, peer)
		}
		if err := g.fails(t); !strings.Contains(err.Error(), "others have taken") {
			t.Errorf("broken: %v; expected that large ones have taken too much", err)
		}
		g.open(t, clientConfig("TLS 1.3"))
		for _, peer := range peers {
			_ = peer.Close() // some are closed already
		}
		await(t, "the budget back", func() bool {
			select {
			case <-g.engine.broken:
			default:
			}
			return g.engine.layer.Hellos() == 0
		})
	})
}
