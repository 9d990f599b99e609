package fleet_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sockgate/sockgate/gateway/fleet/fleettest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestShutdown checks that one node, or all of them, can be drained from any node, and that the rest stays.
func TestShutdown(t *testing.T) {
	t.Parallel()
	gates := startFleet(t, fleettest.NewLoopback(), "a", "b", "c")
	gates[1].connect(t, 1)
	r, err := gates[0].client.Shutdown(patiently(t), &pb.ShutdownRequest{GracePeriod: durationpb.New(0),
		Scope: &pb.Scope{Nodes: []string{"b"}}})
	check(t, err)
	if r.GetConnections() != 1 || r.GetJoined() || r.GetDeadline() == nil {
		t.Error(r)
	}
	expectComplete(t, r.GetFleet(), "b")
	select {
	case <-gates[1].server.Draining():
	case <-time.After(patience):
		t.Error("b does not drain")
	}
	eventually(t, "a sees that b drains", func() bool {
		return stateOf(t, gates[0],
			"b") == pb.NodeState_NODE_STATE_DRAINING
	})
	select {
	case <-gates[0].server.Draining():
		t.Error("a drains")
	default:
	}
	all, err := gates[0].client.Shutdown(patiently(t), &pb.ShutdownRequest{GracePeriod: durationpb.New(0),
		Scope: &pb.Scope{All: true}})
	check(t, err)
	expectComplete(t, all.GetFleet(), "a", "b", "c")
}
