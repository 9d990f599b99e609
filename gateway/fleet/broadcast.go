package fleet

import (
	"context"
	"slices"

	"github.com/sockgate/sockgate/gateway/event"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

var broadcast = verb[*pb.BroadcastRequest, *pb.BroadcastResponse]{pb.GatewayService_Broadcast_FullMethodName,
	Local.Broadcast}

// maxFailures is the most targets that a reply about many names.
const maxFailures = 100

// Broadcast asks nodes to broadcast, each to its own connections. A node carries a message out once, however often the
// bus delivers it. It carries a request_id out once within two minutes.
func (n *Node) Broadcast(ctx context.Context, r *pb.BroadcastRequest) (*pb.BroadcastResponse, error) {
	to, err := n.reach(r.GetScope())
	if err != nil {
		return nil, err
	}
	if err := n.checkFilter(ctx, to, r.GetFilter()); err != nil {
		return nil, err
	}
	parts := broadcast.ask(ctx, n, to.wait, errand[*pb.BroadcastRequest]{to.nodes, r})
	recordBroadcast(ctx, n, r, parts)
	response := mergedBroadcast(parts)
	if response.Fleet, err = settle(to, parts); err != nil {
		return nil, err
	}
	return response, nil
}

// recordBroadcast records the work of other nodes, unless all of them answered with an earlier result.
func recordBroadcast(ctx context.Context, n *Node, r *pb.BroadcastRequest, parts []part[*pb.BroadcastResponse]) {
	replayed := func(p part[*pb.BroadcastResponse]) bool { return p.OK() && p.response.GetReplayed() }
	parts = slices.DeleteFunc(slices.Clone(parts), replayed)
	elsewhere := mergedBroadcast(others(n, parts))
	audit(ctx, n, &event.ControlDetail{Verb: "Broadcast", Filter: r.GetFilter(), RequestID: r.GetRequestId(),
		DataBytes: uint64(len(r.GetData())),
		Matched:   elsewhere.GetMatched(), Outcomes: map[string]uint64{"WRITTEN": elsewhere.GetWritten(),
			"QUEUED":  elsewhere.GetQueued(),
			"DROPPED": elsewhere.GetDropped(), "CLOSED": elsewhere.GetClosed()}}, parts)
}

// mergedBroadcast adds up the nodes' answers.
func mergedBroadcast(parts []part[*pb.BroadcastResponse]) *pb.BroadcastResponse {
	sum := &pb.BroadcastResponse{}
	answered := 0
	for i := range parts {
		if !parts[i].OK() {
			continue
		}
		answered++
		p := parts[i].response
		sum.Matched = plus(sum.Matched, p.GetMatched())
		sum.Written = plus(sum.Written, p.GetWritten())
		sum.Queued = plus(sum.Queued, p.GetQueued())
		sum.Dropped = plus(sum.Dropped, p.GetDropped())
		sum.Closed = plus(sum.Closed, p.GetClosed())
		sum.Failures = firstTargets(sum.Failures, p.GetFailures())
		sum.Replayed = p.GetReplayed() && (answered == 1 || sum.Replayed)
	}
	return sum
}

// firstTargets appends the targets of another node, up to maxFailures in all.
func firstTargets(all, more []*pb.TargetOutcome) []*pb.TargetOutcome {
	all = append(all, more...)
	return all[:min(len(all), maxFailures)]
}
