package fleet

import (
	"context"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

var describe = verb[*pb.GetGatewayRequest, *pb.GetGatewayResponse]{pb.GatewayService_GetGateway_FullMethodName, Local.GetGateway}

// GetGateway describes one node: this one, or the one that is named.
func (n *Node) GetGateway(ctx context.Context, r *pb.GetGatewayRequest) (*pb.GetGatewayResponse, error) {
	if named := len(r.GetScope().GetNodes()); named > 1 || r.GetScope().GetAll() {
		return nil, &problem{code: codes.InvalidArgument, reason: reasonNodeRequired, field: "scope.nodes",
			text: fmt.Sprintf("scope: %d nodes are named, or all; expected one of them, or none for this node, %s", named, n.roster.self().Node)}
	}
	to, err := n.reach(r.GetScope())
	if err != nil {
		return nil, err
	}
	if len(r.GetScope().GetNodes()) == 0 {
		to.nodes = []Member{n.roster.self()}
	}
	parts := describe.ask(ctx, n, to.wait, errand[*pb.GetGatewayRequest]{to.nodes, r})
	if !parts[0].ok() {
		return nil, n.unanswered(&parts[0].answer)
	}
	response := parts[0].response
	if to.nodes[0].Self {
		response.FleetInfo = n.info()
	}
	response.Fleet = fleetResult([]*pb.NodeResult{nodeResult(&parts[0].answer)})
	return response, nil
}

// info describes the fleet as this node sees it.
func (n *Node) info() *pb.FleetInfo {
	bus := n.config.Bus.Status()
	info := &pb.FleetInfo{Name: n.config.Fleet, Mode: bus.Mode, Connected: bus.Connected, Problem: bus.Problem, State: n.roster.self().State,
		Nodes: uint32(len(n.roster.known()))}
	if !bus.Since.IsZero() {
		info.Since = timestamppb.New(bus.Since)
	}
	return info
}

// unanswered is the error of a call that is about one node, which has not answered it: what it said, or that it said nothing.
func (n *Node) unanswered(a *answer) error {
	reason, what := reasonNodeRefused, "refused"
	switch a.status {
	case pb.NodeStatus_NODE_STATUS_ERROR:
		return explained(a)
	case pb.NodeStatus_NODE_STATUS_TIMED_OUT:
		reason, what = reasonNodeTimedOut, "did not answer in time"
	case pb.NodeStatus_NODE_STATUS_UNREACHABLE:
		reason, what = reasonNodeUnreachable, "cannot be reached"
	case pb.NodeStatus_NODE_STATUS_LEFT:
		reason, what = reasonNodeUnreachable, "has left the fleet"
	case pb.NodeStatus_NODE_STATUS_RESTARTED:
		reason, what = reasonNodeUnreachable, "has restarted; try again"
	}
	return &problem{code: codes.Unavailable, reason: reason, metadata: map[string]string{"node": a.node, "status": statusName(a.status)},
		text: fmt.Sprintf("node %s %s: %s", a.node, what, a.message)}
}
