package fleet

import (
	"context"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/bus"
	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// Config says how a node is in a fleet.
type Config struct {
	// Fleet is the fleet's name: 1 to 32 of a-z, 0-9 and -. Required.
	Fleet string
	// Version is the version of the program, for others to see. May be empty.
	Version string
	// Bus carries the messages. Required. Its owner closes it, after Leave.
	Bus bus.Bus
	// Self is the node itself. Required.
	Self member.Self
	// Local is what the node answers by itself. Required.
	Local Local
	// PeerRoles cap what calls forwarded by other nodes may do, by the nodes' names: ROLE_VIEWER, ROLE_OPERATOR or ROLE_ADMIN. The name
	// `*` is for all that are not named. Default: ROLE_ADMIN for all.
	// Hazard: on a bus whose servers do not hold who may publish what, any node can speak as any other.
	PeerRoles map[string]pb.Role
	// Logger gets what happens to members and to the bus. Default: none.
	Logger hclog.Logger
}

// Self is what a fleet needs of the node that is in it: a *server.Server. Its methods may be called from any goroutine and do not block.
type Self = member.Self

// TwinError says that a live node of the fleet has this node's name.
type TwinError = member.TwinError

// Local is what a node answers by itself: a *control.Local. Its methods may be called from any goroutine.
type Local interface {
	pb.GatewayServiceServer
	// Caller returns who makes a call that came to this node's control plane.
	Caller(ctx context.Context) event.Actor
	// Status makes the gRPC status of an error that a method of the service returned.
	Status(err error) error
	// Panicked logs a panic of a method of the service, and makes the gRPC status of it.
	Panicked(reason any) error
	// Record publishes a CONTROL event of what was done on other nodes for a caller of this one.
	Record(d *event.ControlDetail)
	// Admit authorizes and validates a request that came by way of another node, as Call does, and then does what it asks for. The error is
	// a gRPC status.
	Admit(ctx context.Context, caller event.Actor, maxRole pb.Role, method string, r proto.Message, do func(context.Context) error) error
	// Call answers a unary call that came by way of another node (caller.Via); maxRole caps what calls forwarded by that node may do.
	// The error is a gRPC status: UNIMPLEMENTED for a method that is not known.
	Call(ctx context.Context, caller event.Actor, maxRole pb.Role, method string, body []byte) (response []byte, err error)
	// Follow answers StreamEvents that came by way of another node. Send gets each response, encoded, valid only during the call; it may
	// block, and its error ends the stream. The error is nil when the log has ended, else a gRPC status.
	Follow(ctx context.Context, caller event.Actor, maxRole pb.Role, body []byte, send func([]byte) error) error
	// Events is StreamEvents for a call that came to this node, with its context; send is as Follow's.
	Events(ctx context.Context, r *pb.StreamEventsRequest, send func([]byte) error) error
}
