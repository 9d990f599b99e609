package fleet

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/internal/exchange"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// answering answers the requests of other nodes on behalf of the exchange.
type answering struct{ core }

// Call answers a unary request of another node, for this node alone. The error is a gRPC status.
func (n answering) Call(ctx context.Context, from string, caller event.Actor, method string, body []byte) ([]byte,
	error) {
	caller.Via = from
	switch method {
	case exchange.MethodPing:
		return nil, nil
	case exchange.MethodForget:
		return nil, n.forgetFor(ctx, caller, string(body))
	}
	response, err := n.local.Call(ctx, caller, n.maxRole(from), method, body)
	if err != nil || method != pb.GatewayService_GetGateway_FullMethodName {
		return response, err
	}
	info, err := proto.Marshal(&pb.GetGatewayResponse{FleetInfo: n.info()})
	if err != nil {
		return nil, n.local.Status(err)
	}
	return append(response, info...), nil // concatenated messages merge when they are decoded
}

// Follow answers another node's request for a stream. The error is a gRPC status.
func (n answering) Follow(ctx context.Context, from string, caller event.Actor, method string, body []byte,
	send func([]byte) error) error {
	if method != pb.GatewayService_StreamEvents_FullMethodName {
		return status.Errorf(codes.Unimplemented, "%.100q is no stream of this version", method)
	}
	caller.Via = from
	return n.local.Follow(ctx, caller, n.maxRole(from), body, send)
}
