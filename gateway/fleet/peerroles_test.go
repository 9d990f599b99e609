package fleet_test

import (
	"strings"
	"testing"

	"github.com/sockgate/sockgate/gateway/fleet"
	"github.com/sockgate/sockgate/gateway/fleet/fleettest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestPeerRoles checks that calls forwarded by another node may do no more than that node's peer role allows, whatever
// the caller's role.
func TestPeerRoles(t *testing.T) {
	t.Parallel()
	loop := fleettest.NewLoopback()
	a := start(t, loop, "a")
	b := start(t, loop, "b", func(c *fleet.Config) {
		c.PeerRoles = map[string]pb.Role{"a": pb.Role_ROLE_VIEWER, "*": pb.Role_ROLE_OPERATOR}
	})
	c := start(t, loop, "c")
	settle(t, a, b, c)
	_, ids := b.connect(t, 1)
	counted, err := a.client.CountConnections(patiently(t), &pb.CountConnectionsRequest{})
	check(t, err)
	expectComplete(t, counted.GetFleet(), "a", "b", "c")
	sent, err := a.client.Send(patiently(t), &pb.SendRequest{Id: ids[0], Data: []byte("x")})
	check(t, err)
	if n := sent.GetFleet().GetNodes()[0]; sent.GetOutcome() != pb.Outcome_OUTCOME_NODE_REFUSED ||
		n.GetStatus() != pb.NodeStatus_NODE_STATUS_DENIED ||
		!strings.Contains(n.GetMessage(), "by way of node a") {
		t.Error(sent)
	}
	sent, err = c.client.Send(patiently(t), &pb.SendRequest{Id: ids[0], Data: []byte("x")})
	check(t, err)
	if sent.GetOutcome() != pb.Outcome_OUTCOME_WRITTEN {
		t.Error(sent)
	}
	down, err := c.client.Shutdown(patiently(t), &pb.ShutdownRequest{Scope: &pb.Scope{Nodes: []string{"b"}}})
	check(t, err)
	if n := down.GetFleet().GetNodes()[0]; n.GetStatus() != pb.NodeStatus_NODE_STATUS_DENIED ||
		down.GetFleet().GetComplete() {
		t.Error(down)
	}
	nodes, err := b.client.ListNodes(patiently(t), &pb.ListNodesRequest{})
	check(t, err)
	if n := nodes.GetNodes(); n[0].GetAllowed() != pb.Role_ROLE_VIEWER || n[1].GetAllowed() != pb.Role_ROLE_ADMIN ||
		n[2].GetAllowed() != pb.Role_ROLE_OPERATOR {
		t.Error(nodes)
	}
}

// TestExcluded checks that every node leaves out the connections that a broadcast excludes.
func TestExcluded(t *testing.T) {
	t.Parallel()
	gates := startFleet(t, fleettest.NewLoopback(), "a", "b")
	_, here := gates[0].connect(t, 2)
	_, there := gates[1].connect(t, 2)
	sent, err := gates[0].client.Broadcast(patiently(t), &pb.BroadcastRequest{Data: []byte("x"),
		ExcludeIds: []string{here[0], there[1], "x.1.1"}})
	check(t, err)
	if sent.GetMatched() != 2 || sent.GetFleet().GetNodes()[0].GetCounts()["matched"] != 1 ||
		sent.GetFleet().GetNodes()[1].GetCounts()["matched"] != 1 {
		t.Error(sent)
	}
}

// TestDeniedElsewhere checks that a node that denies a forwarded call names the call's own caller, and counts the
// denial.
func TestDeniedElsewhere(t *testing.T) {
	t.Parallel()
	loop := fleettest.NewLoopback()
	a := start(t, loop, "a")
	b := start(t, loop, "b", func(c *fleet.Config) { c.PeerRoles = map[string]pb.Role{"a": pb.Role_ROLE_OPERATOR} })
	c := start(t, loop, "c")
	settle(t, a, b, c)
	c.stop()
	for _, g := range []*gate{a, b} {
		eventually(t, "c has left", func() bool { return stateOf(t, g, "c") == pb.NodeState_NODE_STATE_LEFT })
	}
	ofB := &pb.Scope{Nodes: []string{"b"}}
	_, err := a.client.Shutdown(patiently(t), &pb.ShutdownRequest{Scope: ofB})
	check(t, err)
	gone, err := a.client.ForgetNode(patiently(t), &pb.ForgetNodeRequest{Node: "c"})
	check(t, err)
	if n := gone.GetFleet().GetNodes(); len(n) != 2 || n[1].GetStatus() != pb.NodeStatus_NODE_STATUS_DENIED ||
		!strings.Contains(n[1].GetMessage(), "by way of node a") {
		t.Error(gone)
	}
	if stateOf(t, b, "c") != pb.NodeState_NODE_STATE_LEFT || len(b.controls(t)) != 0 {
		t.Error("b forgot c")
	}
	info, err := a.client.GetGateway(patiently(t), &pb.GetGatewayRequest{Scope: ofB})
	check(t, err)
	if info.GetTotals().GetDeniedCalls()["ROLE_REQUIRED"] != 2 || info.GetCaller().GetRole() != pb.Role_ROLE_OPERATOR ||
		info.GetCaller().GetIdentity() == "" ||
		info.GetNode() != "b" || info.GetFleetInfo().GetName() != "test" {
		t.Error(info)
	}
	own, err := a.client.GetGateway(patiently(t), &pb.GetGatewayRequest{})
	check(t, err)
	if len(own.GetTotals().GetDeniedCalls()) != 0 || own.GetCaller().GetRole() != pb.Role_ROLE_ADMIN {
		t.Error(own)
	}
}
