package fleet

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/event"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

var (
	getLimits    = verb[*pb.GetLimitsRequest, *pb.GetLimitsResponse]{pb.GatewayService_GetLimits_FullMethodName, Local.GetLimits}
	updateLimits = verb[*pb.UpdateLimitsRequest, *pb.UpdateLimitsResponse]{pb.GatewayService_UpdateLimits_FullMethodName, Local.UpdateLimits}
)

// GetLimits returns the limits of nodes.
func (n *Node) GetLimits(ctx context.Context, r *pb.GetLimitsRequest) (*pb.GetLimitsResponse, error) {
	to, err := n.reach(r.GetScope())
	if err != nil {
		return nil, err
	}
	parts := getLimits.ask(ctx, n, to.wait, errand[*pb.GetLimitsRequest]{to.nodes, r})
	response := &pb.GetLimitsResponse{Nodes: limitsOf(parts)}
	for i := range parts {
		if p := &parts[i]; p.ok() && p.message != "" { // nothing of it is in the reply
			p.answer = refused(p.node, status.Error(codes.ResourceExhausted, p.message))
		}
	}
	response.Limits = n.foremost(response.Nodes)
	if response.Fleet, err = settle(to, parts); err != nil {
		return nil, err
	}
	return response, nil
}

// UpdateLimits has nodes change their limits. This one goes first, when it is among them: what it finds wrong no other is asked for.
func (n *Node) UpdateLimits(ctx context.Context, r *pb.UpdateLimitsRequest) (*pb.UpdateLimitsResponse, error) {
	to, err := n.reach(r.GetScope())
	if err != nil {
		return nil, err
	}
	var own, rest []Member
	for _, m := range to.nodes {
		if m.Self {
			own = append(own, m)
		} else {
			rest = append(rest, m)
		}
	}
	parts := updateLimits.ask(ctx, n, to.wait, errand[*pb.UpdateLimitsRequest]{own, r})
	if len(parts) == 0 || status.Code(parts[0].err) != codes.InvalidArgument {
		parts = ordered(parts, updateLimits.ask(ctx, n, to.wait, errand[*pb.UpdateLimitsRequest]{rest, r}))
	}
	response := &pb.UpdateLimitsResponse{Nodes: limitsOf(parts)}
	response.Limits = n.foremost(response.Nodes)
	n.record(ctx, &event.ControlDetail{Verb: "UpdateLimits", Changes: changesOf(r)}, nodeResults(parts))
	if response.Fleet, err = settle(to, parts); err != nil {
		return nil, err
	}
	return response, nil
}

// maxLimits is how many bytes of limits a reply has: those of one node may have thousands of networks, and clients refuse 4 MiB and more.
const maxLimits = 2 << 20

// limitsOf returns the limits that nodes answered with. Where there is no room for them any more, the node's result says so.
func limitsOf[R interface {
	proto.Message
	GetLimits() *pb.Limits
}](parts []part[R]) []*pb.NodeLimits {
	var nodes []*pb.NodeLimits
	size := 0
	for i := range parts {
		p := &parts[i]
		if !p.ok() {
			continue
		}
		if size += proto.Size(p.response.GetLimits()); size > maxLimits && len(nodes) > 0 {
			p.message = "its limits do not fit into this reply; ask for them with scope.nodes"
			continue
		}
		nodes = append(nodes, &pb.NodeLimits{Node: p.node, Limits: p.response.GetLimits()})
	}
	return nodes
}

// foremost returns the limits of this node, or, when it is not among the nodes, of the first.
func (n *Node) foremost(nodes []*pb.NodeLimits) *pb.Limits {
	self := n.roster.self().Node
	for _, node := range nodes {
		if node.GetNode() == self {
			return node.GetLimits()
		}
	}
	if len(nodes) == 0 {
		return nil
	}
	return nodes[0].GetLimits()
}
