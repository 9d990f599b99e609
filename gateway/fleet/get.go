package fleet

import (
	"context"
	"fmt"

	"google.golang.org/grpc/codes"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

var getConnection = verb[*pb.GetConnectionRequest, *pb.GetConnectionResponse]{pb.GatewayService_GetConnection_FullMethodName, Local.GetConnection}

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
	parts := getConnection.ask(ctx, n, to.wait, errand[*pb.GetConnectionRequest]{[]Member{owner}, r})
	if parts[0].status == pb.NodeStatus_NODE_STATUS_RESTARTED {
		return nil, absence(r.GetId(), owner, pb.Outcome_OUTCOME_NODE_RESTARTED)
	}
	if !parts[0].ok() {
		return nil, n.unanswered(&parts[0].answer)
	}
	response := parts[0].response
	response.Fleet = fleetResult(nodeResults(parts))
	return response, nil
}

// absence is the error of a connection that its node need not be asked for.
func absence(id string, owner Member, o pb.Outcome) error {
	p := &problem{code: codes.NotFound, metadata: map[string]string{"id": id}}
	switch o {
	case pb.Outcome_OUTCOME_UNKNOWN_NODE:
		p.reason, p.text = reasonUnknownNode, fmt.Sprintf("connection %s is of a node that the fleet does not know", id)
	case pb.Outcome_OUTCOME_NODE_RESTARTED:
		p.reason = reasonNodeRestarted
		p.text = fmt.Sprintf("connection %s is of an earlier incarnation of node %s; it ended when the node restarted", id, owner.Node)
	case pb.Outcome_OUTCOME_CLOSED:
		p.reason, p.text = reasonForgotten, fmt.Sprintf("connection %s ended when node %s left the fleet", id, owner.Node)
	default:
		p.code, p.reason = codes.Unavailable, reasonNodeUnreachable
		p.text = fmt.Sprintf("connection %s is of a later life of node %s than this node has heard of; try again in a few seconds", id, owner.Node)
	}
	return p
}
