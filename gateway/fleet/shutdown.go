package fleet

import (
	"context"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

var shutdown = verb[*pb.ShutdownRequest, *pb.ShutdownResponse]{pb.GatewayService_Shutdown_FullMethodName,
	Local.Shutdown}

// Shutdown drains one named node, or all. The other nodes go first, so that this one can still pass on their answers.
func (n *Node) Shutdown(ctx context.Context, r *pb.ShutdownRequest) (*pb.ShutdownResponse, error) {
	if s := r.GetScope(); len(s.GetNodes()) != 1 && !s.GetLocal() && !s.GetAll() {
		return nil, &contract.Problem{Code: codes.InvalidArgument, Reason: contract.ReasonNodeRequired, Field: "scope",
			Text: "a shutdown in a fleet has to name its nodes: expected exactly one of scope.nodes, or local for this node, " +
				n.roster.Self().Node + ", or all for the whole fleet"}
	}
	to, err := n.reach(r.GetScope())
	if err != nil {
		return nil, err
	}
	own, rest := to.apart()
	parts := shutdown.ask(ctx, n, to.wait, errand[*pb.ShutdownRequest]{rest, r})
	audit(ctx, n, &event.ControlDetail{Verb: "Shutdown", Reason: r.GetReason(), DataBytes: uint64(len(r.GetFarewell())),
		Matched: mergedShutdown(parts).GetConnections()}, parts) // before this node's own log ends
	parts = ordered(parts, shutdown.ask(ctx, n, to.wait, errand[*pb.ShutdownRequest]{own, r}))
	response := mergedShutdown(parts)
	if response.Fleet, err = settle(to, parts); err != nil {
		return nil, err
	}
	return response, nil
}

// mergedShutdown merges the nodes' answers: the latest deadline, and the sum of connections.
func mergedShutdown(parts []part[*pb.ShutdownResponse]) *pb.ShutdownResponse {
	sum := &pb.ShutdownResponse{}
	answered := 0
	for i := range parts {
		if !parts[i].OK() {
			continue
		}
		answered++
		p := parts[i].response
		sum.Joined = p.GetJoined() && (answered == 1 || sum.Joined)
		sum.Connections = plus(sum.Connections, p.GetConnections())
		if sum.Deadline == nil || p.GetDeadline().AsTime().After(sum.GetDeadline().AsTime()) {
			sum.Deadline = p.GetDeadline()
		}
	}
	return sum
}

// ordered merges parts in the order of the nodes' names.
func ordered[R proto.Message](a, b []part[R]) []part[R] {
	all := slices.Concat(a, b)
	slices.SortFunc(all, func(a, b part[R]) int { return strings.Compare(a.Node, b.Node) })
	return all
}
