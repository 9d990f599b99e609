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
	// CheckFilter compiles a filter for the caller of ctx, and forgets it. The error is a *filter.Error.
	CheckFilter(ctx context.Context, expr string) error
	// Status turns an error of a method of the service into a gRPC status.
	Status(err error) error
	// Panicked logs a panic of a method of the service, and returns its gRPC status.
	Panicked(reason any) error
	// Record publishes a CONTROL event for a caller of this node about work on other nodes.
	Record(d *event.ControlDetail)
	// Admit authorizes and validates a forwarded request, as Call does, and then calls do with the call's context. The
	// error is a gRPC status.
	Admit(ctx context.Context, caller event.Actor, maxRole pb.Role, method string, r proto.Message,
		do func(context.Context) error) error
	// Call answers a unary call that another node (caller.Via) forwarded. maxRole caps what calls forwarded by that node
	// may do. The error is a gRPC status; an unknown method is UNIMPLEMENTED.
	Call(ctx context.Context, caller event.Actor, maxRole pb.Role, method string, body []byte) (response []byte, err error)
	// Follow answers a StreamEvents call that another node forwarded. It passes each encoded response to send. The bytes
	// are valid only during the call of send, which may block; an error of send ends the stream. Follow returns nil when
	// the log has ended, else a gRPC status.
	Follow(ctx context.Context, caller event.Actor, maxRole pb.Role, body []byte, send func([]byte) error) error
	// Events answers a StreamEvents call that came to this node, with the call's context. It uses send as Follow does.
	Events(ctx context.Context, r *pb.StreamEventsRequest, send func([]byte) error) error
}
