package natsbus_test

import (
	"testing"

	"github.com/sockgate/sockgate/gateway/bus"
	"github.com/sockgate/sockgate/gateway/fleet/fleettest"
)

// TestExternalBus runs the suite with a real server, through a proxy for each place.
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

// TestEmbeddedBus runs it with a server inside each place, which make a cluster: the first is told of nobody, the others of the first.
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
