package fleet

import (
	"cmp"
	"context"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/event"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// The exchange has a node answer the others.
var _ answers = (*Node)(nil)

// call answers a request of another node, for this node alone. The error is a gRPC status.
func (n *Node) call(ctx context.Context, from string, caller event.Actor, method string, body []byte) ([]byte, error) {
	caller.Via = from
	switch method {
	case methodPing:
		return nil, nil
	case methodForget:
		return nil, n.forgetFor(caller, string(body))
	}
	response, err := n.local.Call(ctx, caller, n.most(from), method, body)
	if err != nil || method != pb.GatewayService_GetGateway_FullMethodName {
		return response, err
	}
	info, err := proto.Marshal(&pb.GetGatewayResponse{FleetInfo: n.info()})
	if err != nil {
		return nil, n.local.Status(err)
	}
	return append(response, info...), nil // encoded messages add up
}

// follow answers a request of another node for a stream. The error is a gRPC status.
func (n *Node) follow(ctx context.Context, from string, caller event.Actor, method string, body []byte, send func([]byte) error) error {
	if method != pb.GatewayService_StreamEvents_FullMethodName {
		return status.Errorf(codes.Unimplemented, "%.100q is no stream of this version", method)
	}
	caller.Via = from
	return n.local.Follow(ctx, caller, n.most(from), body, send)
}

// most returns the role that calls by way of another node have at most, as event.Actor has it.
func (n *Node) most(from string) string {
	return cmp.Or(n.config.PeerRoles[from], n.config.PeerRoles["*"], roleAdmin)
}

// roleAdmin is the highest role, as event.Actor has it.
const roleAdmin = "ADMIN"

// forgetFor forgets a node for a caller of another one, who has to be an admin there, and by way of that one here. It does not matter
// whether this node knew it, or hears of it: then it is not forgotten.
func (n *Node) forgetFor(caller event.Actor, name string) error {
	if most := n.most(caller.Via); caller.Role != roleAdmin || most != roleAdmin {
		return status.Error(codes.PermissionDenied, fmt.Sprintf("forgetting a node needs the role admin; the caller has %.20s at node %s, and calls by way "+
			"of that node may do what %.20s may; ask this node itself, or have its --fleet-peer-role changed", caller.Role, caller.Via, most))
	}
	if m, err := n.roster.forget(name); err == nil {
		n.local.Record(forgotten(caller, &m))
	}
	return nil
}
