package fleet

import (
	"context"
	"fmt"

	"google.golang.org/grpc/codes"

	"github.com/sockgate/sockgate/gateway/fleet/internal/exchange"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

var describe = verb[*pb.GetGatewayRequest, *pb.GetGatewayResponse]{pb.GatewayService_GetGateway_FullMethodName,
	Local.GetGateway}

// GetGateway describes one node: the named one, or else this one.
func (n *Node) GetGateway(ctx context.Context, r *pb.GetGatewayRequest) (*pb.GetGatewayResponse, error) {
	if named := len(r.GetScope().GetNodes()); named > 1 || r.GetScope().GetAll() {
		return nil, &contract.Problem{Code: codes.InvalidArgument, Reason: contract.ReasonNodeRequired, Field: "scope.nodes",
			Text: fmt.Sprintf("scope: %d nodes are named, or all; expected one of them, or none for this node, %s", named,
				n.roster.Self().Node)}
	}
	to, err := n.reach(r.GetScope())
	if err != nil {
		return nil, err
	}
	if len(r.GetScope().GetNodes()) == 0 {
		to.nodes = []member.Member{n.roster.Self()}
	}
	parts := describe.ask(ctx, n, to.wait, errand[*pb.GetGatewayRequest]{to.nodes, r})
	if !parts[0].OK() {
		return nil, n.unanswered(&parts[0].Answer)
	}
	response := parts[0].response
	if to.nodes[0].Self {
		response.FleetInfo = n.info()
	} else if err := n.misdescribed(ctx, response); err != nil {
		a := n.distrusted(to.nodes[0].Origin, parts[0].Answer, err)
		return nil, n.unanswered(&a)
	}
	response.Fleet = fleetResult([]*pb.NodeResult{nodeResult(&parts[0].Answer)})
	return response, nil
}

// misdescribed returns an error if another node's description of itself is of another fleet, or of another caller.
func (n *Node) misdescribed(ctx context.Context, r *pb.GetGatewayResponse) error {
	if said := r.GetFleetInfo().GetName(); r.FleetInfo != nil && said != n.config.Fleet {
		return fmt.Errorf("it says that it is in fleet %.100q; expected %s", said, n.config.Fleet)
	}
	if said, asked := r.GetCaller().GetIdentity(), n.local.Caller(ctx).Identity; r.Caller != nil && said != asked {
		return fmt.Errorf("it says that %.100q asked it; expected %.100q", said, asked)
	}
	return nil
}

// unanswered is the error of a call about one node if that node refused it or did not answer.
func (n *Node) unanswered(a *exchange.Answer) error {
	reason, what := contract.ReasonNodeRefused, "refused"
	switch a.Status {
	case pb.NodeStatus_NODE_STATUS_ERROR:
		return explained(a)
	case pb.NodeStatus_NODE_STATUS_TIMED_OUT:
		reason, what = contract.ReasonNodeTimedOut, "did not answer in time"
	case pb.NodeStatus_NODE_STATUS_UNREACHABLE:
		reason, what = contract.ReasonNodeUnreachable, "cannot be reached"
	case pb.NodeStatus_NODE_STATUS_LEFT:
		reason, what = contract.ReasonNodeUnreachable, "has left the fleet"
	case pb.NodeStatus_NODE_STATUS_RESTARTED:
		reason, what = contract.ReasonNodeUnreachable, "has restarted; try again"
	}
	return &contract.Problem{Code: codes.Unavailable, Reason: reason, Metadata: map[string]string{"node": a.Node,
		"status": statusName(a.Status)},
		Text: fmt.Sprintf("node %s %s: %s", a.Node, what, a.Message)}
}
