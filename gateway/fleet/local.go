package fleet

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/event"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// Local answers for one node alone: a *control.Local. Its methods may be called from any goroutine.
type Local interface {
	pb.GatewayServiceServer
	// Caller returns the caller of a call that came to this node's control plane.
	Caller(ctx context.Context) event.Actor
	// Status makes the gRPC status of an error that a method of the service returned.
	Status(err error) error
	// Panicked logs a panic of a method of the service, and makes the gRPC status of it.
	Panicked(reason any) error
	// Record publishes a CONTROL event about the work of other nodes for a caller of this one.
	Record(d *event.ControlDetail)
	// Admit authorizes and validates a request that came by way of another node, as Call does, and then does what it asks
	// for. The error is a gRPC status.
	Admit(ctx context.Context, caller event.Actor, maxRole pb.Role, method string, r proto.Message,
		do func(context.Context) error) error
	// Call answers a unary call that came by way of another node (caller.Via); maxRole caps what calls forwarded by that
	// node may do. The error is a gRPC status: UNIMPLEMENTED for a method that is not known.
	Call(ctx context.Context, caller event.Actor, maxRole pb.Role, method string, body []byte) (response []byte, err error)
	// Follow answers StreamEvents that came by way of another node. Send gets each response, encoded, valid only during
	// the call; it may block, and its error ends the stream. The error is nil when the log has ended, else a gRPC status.
	Follow(ctx context.Context, caller event.Actor, maxRole pb.Role, body []byte, send func([]byte) error) error
	// Events is StreamEvents for a call that came to this node, with its context; send is as Follow's.
	Events(ctx context.Context, r *pb.StreamEventsRequest, send func([]byte) error) error
}
