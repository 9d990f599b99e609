package fleet_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/sockgate/sockgate/gateway/bus"
	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet"
	"github.com/sockgate/sockgate/gateway/fleet/fleettest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// States of nodes, as tests write them.
const (
	live        = pb.NodeState_NODE_STATE_LIVE
	draining    = pb.NodeState_NODE_STATE_DRAINING
	suspect     = pb.NodeState_NODE_STATE_SUSPECT
	unreachable = pb.NodeState_NODE_STATE_UNREACHABLE
	left        = pb.NodeState_NODE_STATE_LEFT
	displaced   = pb.NodeState_NODE_STATE_DISPLACED
)

// body is a node's Self without a server.
type body struct {
	log      *event.Log
	live     atomic.Int64
	draining chan struct{}
}

func (b *body) Cursor() event.Cursor      { return b.log.Head() }
func (b *body) Log() *event.Log           { return b.log }
func (b *body) Draining() <-chan struct{} { return b.draining }
func (b *body) Live() int                 { return int(b.live.Load()) }

// bareNode is a node without a server.
type bareNode struct {
	*fleet.Node
	body *body
	bus  *fleettest.LoopbackBus
}

// place is the address of a node on the bus. The incarnation tells apart places with the same name.
func place(name, incarnation string) string { return name + "." + incarnation }

// newNode makes a node that has not joined, in a place of its own. The node ends with the test; wrap may change its
// bus.
func newNode(t *testing.T, loop *fleettest.Loopback, name, incarnation string,
	wrap ...func(bus.Bus) bus.Bus) *bareNode {
	t.Helper()
	n := &bareNode{bus: loop.Bus(place(name, incarnation))}
	n.body = &body{log: event.NewLog(event.Origin{Node: name, Incarnation: incarnation}, 4096),
		draining: make(chan struct{})}
	var bus bus.Bus = n.bus
	for _, w := range wrap {
		bus = w(bus)
	}
	var err error
	n.Node, err = fleet.New(fleet.Config{Fleet: "test", Version: "v1-" + name, Bus: bus, Self: n.body,
		Local: &control.Local{}})
	check(t, err)
	t.Cleanup(n.Leave)
	return n
}

// joinNode makes a node that has joined.
func joinNode(t *testing.T, loop *fleettest.Loopback, name, incarnation string,
	wrap ...func(bus.Bus) bus.Bus) *bareNode {
	t.Helper()
	n := newNode(t, loop, name, incarnation, wrap...)
	check(t, n.Join(t.Context()))
	synctest.Wait()
	return n
}
