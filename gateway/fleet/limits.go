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
	response := &pb.GetLimitsResponse{Limits: foremost(to, parts), Nodes: limitsOf(parts)}
	for i := range parts {
		if p := &parts[i]; p.ok() && p.message != "" { // nothing of it is in the reply
			p.answer = refused(p.node, status.Error(codes.ResourceExhausted, p.message))
		}
	}
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
	response := &pb.UpdateLimitsResponse{Limits: foremost(to, parts), Nodes: limitsOf(parts)}
	audit(ctx, n, &event.ControlDetail{Verb: "UpdateLimits", Changes: changesOf(r)}, parts)
	if response.Fleet, err = settle(to, parts); err != nil {
		return nil, err
	}
	return response, nil
}

// limited is a response that has limits.
type limited interface {
	proto.Message
	GetLimits() *pb.Limits
}

// foremost returns the limits of the node that a reply is about first: this one, or, when the call is not for it, the first of those that it
// is for. Nil when that one has not answered.
func foremost[R limited](to *reach, parts []part[R]) *pb.Limits {
	about := to.nodes[0].Node
	for _, m := range to.nodes {
		if m.Self {
			about = m.Node
		}
	}
	for i := range parts {
		if p := &parts[i]; p.node == about && p.ok() {
			return p.response.GetLimits()
		}
	}
	return nil
}

// maxLimits is how many bytes of limits a reply has, besides the foremost: those of one node may have thousands of networks, and clients
// refuse 4 MiB and more.
const maxLimits = 2 << 20

// limitsOf returns the limits that nodes answered with. Where there is no room for them any more, the node's result says so.
func limitsOf[R limited](parts []part[R]) []*pb.NodeLimits {
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
