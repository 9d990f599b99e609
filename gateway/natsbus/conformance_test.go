package natsbus_test

import (
	"testing"

	"github.com/sockgate/sockgate/gateway/bus"
	"github.com/sockgate/sockgate/gateway/fleet/fleettest"
)

// TestExternalBus runs the suite with a real server, and with a proxy before it for each place.
func TestExternalBus(t *testing.T) {
	t.Parallel()
	fleettest.Buses(t, func(t *testing.T) fleettest.BusKind {
		server, proxies := startNATS(t, ""), make(map[string]*proxy)
		return fleettest.BusKind{
			Open: func(t *testing.T, place string) bus.Bus {
				proxies[place] = newProxy(t, server.Address)
				b := external(t, place, "nats://"+proxies[place].address, nil)
				fleettest.AwaitStatus(t, b, true)
				return b
			},
			Connect: func(_ *testing.T, place string, connected bool) { proxies[place].connect(connected) },
		}
	})
}

// TestEmbeddedBus runs the suite with a server inside each place. The servers make a cluster: the first joins none, the
// others join the first.
func TestEmbeddedBus(t *testing.T) {
	t.Parallel()
	fleettest.Buses(t, func(*testing.T) fleettest.BusKind {
		var first []string
		return fleettest.BusKind{Open: func(t *testing.T, place string) bus.Bus {
			b := embedded(t, place, first...)
			if first == nil {
				first = []string{b.Address()}
			}
			fleettest.AwaitStatus(t, b, true)
			return b
		}}
	})
}
