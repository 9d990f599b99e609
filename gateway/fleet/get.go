package fleet

import (
	"context"
	"fmt"

	"google.golang.org/grpc/codes"

	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

var getConnection = verb[*pb.GetConnectionRequest, *pb.GetConnectionResponse]{
	pb.GatewayService_GetConnection_FullMethodName, Local.GetConnection}

// GetConnection asks the node that the ID names.
func (n *Node) GetConnection(ctx context.Context, r *pb.GetConnectionRequest) (*pb.GetConnectionResponse, error) {
	to, err := n.reach(r.GetScope())
	if err != nil {
		return nil, err
	}
	owner, absent := n.owner(r.GetId())
	switch {
	case to.local:
		owner = to.nodes[0]
	case absent != 0:
		return nil, absence(r.GetId(), owner, absent)
	}
	parts := getConnection.ask(ctx, n, to.wait, errand[*pb.GetConnectionRequest]{[]member.Member{owner}, r})
	if parts[0].Status == pb.NodeStatus_NODE_STATUS_RESTARTED {
		return nil, absence(r.GetId(), owner, pb.Outcome_OUTCOME_NODE_RESTARTED)
	}
	if !parts[0].OK() {
		return nil, n.unanswered(&parts[0].Answer)
	}
	response := parts[0].response
	if said := response.GetConnection().GetId(); said != r.GetId() && !owner.Self {
		a := n.distrusted(owner.Origin, parts[0].Answer, misplaced(said, r.GetId()))
		return nil, n.unanswered(&a)
	}
	response.Fleet = fleetResult(nodeResults(parts))
	return response, nil
}

// absence is the error for a connection that is known to be gone without asking its node.
func absence(id string, owner member.Member, o pb.Outcome) error {
	p := &contract.Problem{Code: codes.NotFound, Metadata: map[string]string{"id": id}}
	switch o {
	case pb.Outcome_OUTCOME_UNKNOWN_NODE:
		p.Reason, p.Text = contract.ReasonUnknownNode, fmt.Sprintf("connection %s is of a node that the fleet does not know",
			id)
	case pb.Outcome_OUTCOME_NODE_RESTARTED:
		p.Reason = contract.ReasonNodeRestarted
		p.Text = fmt.Sprintf("connection %s is of an earlier incarnation of node %s; it ended when the node restarted", id,
			owner.Node)
	case pb.Outcome_OUTCOME_CLOSED:
		p.Reason, p.Text = contract.ReasonForgotten, fmt.Sprintf("connection %s ended when node %s left the fleet", id,
			owner.Node)
	default:
		p.Code, p.Reason = codes.Unavailable, contract.ReasonNodeUnreachable
		p.Text = fmt.Sprintf("connection %s is of a later life of node %s than this node has heard of; try again in a few "+
			"seconds", id, owner.Node)
	}
	return p
}
