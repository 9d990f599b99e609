package fleet_test

import (
	"strings"
	"testing"

	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/fleet"
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

// TestControlAddresses checks that nodes tell each other where programs reach their control planes, in the table of
// nodes too, and that a node that keeps it to itself is in the table without.
func TestControlAddresses(t *testing.T) {
	t.Parallel()
	loop := fleettest.NewLoopback()
	at := func(address string) func(*fleet.Config) {
		return func(c *fleet.Config) { c.ControlAddress = address }
	}
	gates := []*gate{start(t, loop, "b", at("10.0.0.2:8018")), start(t, loop, "a", at("edge.example.org:8018")),
		start(t, loop, "c")}
	settle(t, gates...)
	for _, g := range gates {
		r, err := g.client.ListNodes(patiently(t), &pb.ListNodesRequest{})
		check(t, err)
		var listed []string
		for _, n := range r.GetNodes() {
			listed = append(listed, n.GetName()+"="+n.GetControlAddress())
		}
		if got := strings.Join(listed, " "); got != "a=edge.example.org:8018 b=10.0.0.2:8018 c=" {
			t.Errorf("%s lists %s", g.name, got)
		}
		g.addressed(t, "a=edge.example.org:8018 b=10.0.0.2:8018")
	}
	gates[0].stop()
	gates[2].addressed(t, "a=edge.example.org:8018")
}

// addressed waits until a node has these addresses. Each change of them must be told.
func (g *gate) addressed(t *testing.T, want string) {
	t.Helper()
	for {
		nodes, changed := g.node.Addresses()
		var words []string
		for _, n := range nodes {
			words = append(words, n.GetNode()+"="+n.GetAddress())
		}
		if strings.Join(words, " ") == want {
			return
		}
		select {
		case <-changed:
		case <-patiently(t).Done():
			t.Fatalf("%s has %v; expected %s", g.name, words, want)
		}
	}
}

// TestControlAddressIsChecked checks that a node does not tell others an address that none of them takes.
func TestControlAddressIsChecked(t *testing.T) {
	loop := fleettest.NewLoopback()
	g := run(t, loop, "a")
	for _, address := range []string{"10.0.0.1", "0.0.0.0:8018", ":8018", "unix:///run/x"} {
		_, err := fleet.New(fleet.Config{Fleet: "test", Bus: g.bus, Self: g.server, Local: &control.Local{},
			ControlAddress: address})
		if err == nil || !strings.Contains(err.Error(), address) || !strings.Contains(err.Error(), "expected") {
			t.Errorf("%s: %v", address, err)
		}
	}
}
