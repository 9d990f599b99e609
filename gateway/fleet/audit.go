package fleet

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/event"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// audit publishes a CONTROL event for a caller of this node about work on other nodes. d has the request, and the
// outcomes of those nodes together. Each node, this one included, records its own work by itself. Nothing is published
// if the request was for no other node, or was invalid and changed nothing.
func audit[R proto.Message](ctx context.Context, n *Node, d *event.ControlDetail, parts []part[R]) {
	if d.Nodes = n.nodesOf(nodeResults(parts)); len(d.Nodes) == 0 {
		return
	}
	if a := failed(parts); a != nil && status.Code(a.Err) == codes.InvalidArgument {
		return
	}
	d.Actor = n.local.Caller(ctx)
	for outcome, count := range d.Outcomes {
		if count == 0 {
			delete(d.Outcomes, outcome)
		}
	}
	n.local.Record(d)
}

// nodesOf returns the statuses of other nodes by name, without their prefix. It has at most maxFailures, failed nodes
// first, because the event log keeps it.
func (n *Node) nodesOf(results []*pb.NodeResult) map[string]string {
	nodes := make(map[string]string)
	self := n.roster.Self().Node
	for _, done := range []bool{false, true} {
		for _, r := range results {
			if r.GetNode() != self && (r.GetStatus() == pb.NodeStatus_NODE_STATUS_OK) == done && len(nodes) < maxFailures {
				nodes[r.GetNode()] = statusName(r.GetStatus())
			}
		}
	}
	return nodes
}

// outcomesOf counts targets by the names of their outcomes, without the prefix.
func outcomesOf(targets []*pb.TargetOutcome) map[string]uint64 {
	m := make(map[string]uint64)
	for _, t := range targets {
		m[outcomeName(t.GetOutcome())]++
	}
	return m
}
