package fleettest

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/sockgate/sockgate/gateway/bus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestLoopback runs the conformance suite on the loopback bus.
func TestLoopback(t *testing.T) {
	t.Parallel()
	Buses(t, func(*testing.T) BusKind {
		loop, buses := NewLoopback(), make(map[string]*LoopbackBus)
		return BusKind{
			Open: func(_ *testing.T, place string) bus.Bus {
				buses[place] = loop.Bus(place)
				return buses[place]
			},
			Connect: func(_ *testing.T, place string, connected bool) { buses[place].Connect(connected) },
		}
	})
}
