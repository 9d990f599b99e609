package fleet_test

import (
	"strings"
	"testing"

	"github.com/sockgate/sockgate/gateway/fleet/fleettest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

func stateOf(t *testing.T, g *gate, node string) pb.NodeState {
	r, err := g.client.ListNodes(patiently(t), &pb.ListNodesRequest{Scope: &pb.Scope{Local: true}})
	check(t, err)
	for _, n := range r.GetNodes() {
		if n.GetName() == node {
			return n.GetState()
		}
	}
	return 0
}

// TestForget checks that a node that left can be forgotten on all nodes at once.
func TestForget(t *testing.T) {
	t.Parallel()
	gates := startFleet(t, fleettest.NewLoopback(), "a", "b", "c")
	gates[2].stop()
	for _, g := range gates[:2] {
		eventually(t, "c has left", func() bool { return stateOf(t, g, "c") == pb.NodeState_NODE_STATE_LEFT })
	}
	gone, err := gates[0].client.ForgetNode(patiently(t), &pb.ForgetNodeRequest{Node: "c"})
	check(t, err)
	expectComplete(t, gone.GetFleet(), "a", "b")
	for _, g := range gates[:2] {
		if s := stateOf(t, g, "c"); s != 0 {
			t.Errorf("%s: %s", g.name, s)
		}
		if c := g.controls(t); len(c) != 1 || c[0].Verb != "ForgetNode" || !strings.Contains(c[0].Reason, "c.") {
			t.Errorf("%s recorded %+v", g.name, c)
		}
	}
}
