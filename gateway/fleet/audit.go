package fleet

import (
	"context"

	"github.com/sockgate/sockgate/gateway/event"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// record publishes what other nodes did for a caller of this one: d has the request, and the outcomes on those nodes together. What
// this node did itself it has recorded by itself, as each of the others has. Nothing is recorded when no other node was asked.
func (n *Node) record(ctx context.Context, d *event.ControlDetail, results []*pb.NodeResult) {
	if d.Nodes = n.nodesOf(results); len(d.Nodes) == 0 {
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

// nodesOf returns what other nodes answered, by their names: statuses without their prefix.
func (n *Node) nodesOf(results []*pb.NodeResult) map[string]string {
	nodes := make(map[string]string)
	self := n.roster.self().Node
	for _, r := range results {
		if r.GetNode() != self {
			nodes[r.GetNode()] = statusName(r.GetStatus())
		}
	}
	return nodes
}

// outcomes counts targets by the names of their outcomes, without the prefix.
func outcomesOf(targets []*pb.TargetOutcome) map[string]uint64 {
	m := make(map[string]uint64)
	for _, t := range targets {
		m[outcomeName(t.GetOutcome())]++
	}
	return m
}
