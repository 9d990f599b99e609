package fleet

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/internal/change"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

var (
	getLimits = verb[*pb.GetLimitsRequest, *pb.GetLimitsResponse]{pb.GatewayService_GetLimits_FullMethodName,
		Local.GetLimits}
	updateLimits = verb[*pb.UpdateLimitsRequest, *pb.UpdateLimitsResponse]{pb.GatewayService_UpdateLimits_FullMethodName,
		Local.UpdateLimits}
)

// GetLimits returns the limits of nodes.
func (n *Node) GetLimits(ctx context.Context, r *pb.GetLimitsRequest) (*pb.GetLimitsResponse, error) {
	to, err := n.reach(r.GetScope())
	if err != nil {
		return nil, err
	}
	parts := getLimits.ask(ctx, n, to.wait, errand[*pb.GetLimitsRequest]{to.nodes, r})
	response := &pb.GetLimitsResponse{Limits: foremost(to, parts)}
	var roomless []*part[*pb.GetLimitsResponse]
	response.Nodes, roomless = limitsOf(parts, response.Limits)
	for _, p := range roomless {
		p.roomless("the reply has no room for its limits; name fewer nodes in scope.nodes")
	}
	if response.Fleet, err = settle(to, parts); err != nil {
		return nil, err
	}
	return response, nil
}

// UpdateLimits asks nodes to change their limits. If this node is among them it goes first: if it refuses the request,
// no other node is asked.
func (n *Node) UpdateLimits(ctx context.Context, r *pb.UpdateLimitsRequest) (*pb.UpdateLimitsResponse, error) {
	to, err := n.reach(r.GetScope())
	if err != nil {
		return nil, err
	}
	own, rest := to.apart()
	parts := updateLimits.ask(ctx, n, to.wait, errand[*pb.UpdateLimitsRequest]{own, r})
	if len(parts) == 0 || status.Code(parts[0].Err) != codes.InvalidArgument {
		parts = ordered(parts, updateLimits.ask(ctx, n, to.wait, errand[*pb.UpdateLimitsRequest]{rest, r}))
	}
	response := &pb.UpdateLimitsResponse{Limits: foremost(to, parts)}
	response.Nodes, _ = limitsOf(parts, response.Limits)
	audit(ctx, n, &event.ControlDetail{Verb: "UpdateLimits", Changes: change.Words(r)}, parts)
	if response.Fleet, err = settle(to, parts); err != nil {
		return nil, err
	}
	return response, nil
}

// limited is a response with a node's limits.
type limited interface {
	proto.Message
	GetLimits() *pb.Limits
}

// limitsOf returns the limits of the nodes that answered, and the parts whose limits have no room in a response beside
// the first: the lists of networks of a single node may take some hundred KiB.
func limitsOf[R limited](parts []part[R], first *pb.Limits) (nodes []*pb.NodeLimits, roomless []*part[R]) {
	room := contract.MaxResponse - proto.Size(first)
	for i := range parts {
		p := &parts[i]
		if !p.OK() {
			continue
		}
		if room -= proto.Size(p.response.GetLimits()); room < 0 {
			roomless = append(roomless, p)
			continue
		}
		nodes = append(nodes, &pb.NodeLimits{Node: p.Node, Limits: p.response.GetLimits()})
	}
	return nodes, roomless
}

// foremost returns the limits that a reply gives first: those of this node, or, if the call is not for it, of the first
// node of the call. It returns nil if that node did not carry out the request.
func foremost[R limited](r *reach, parts []part[R]) *pb.Limits {
	about := r.nodes[0].Node
	for _, m := range r.nodes {
		if m.Self {
			about = m.Node
		}
	}
	for i := range parts {
		if parts[i].Node == about && parts[i].OK() {
			return parts[i].response.GetLimits()
		}
	}
	return nil
}
