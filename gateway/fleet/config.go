package fleet

import (
	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/bus"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// Config configures a node of a fleet. New copies it; PeerRoles must not change afterwards.
type Config struct {
	// Fleet is the fleet's name: 1 to 32 of a-z, 0-9 and -. Required.
	Fleet string
	// Version is the program's version, which other nodes show. May be empty.
	Version string
	// Bus carries the messages. Required. Its owner closes it, after Leave.
	Bus bus.Bus
	// Self is the node itself. Required.
	Self member.Self
	// Local is what the node answers by itself. Required.
	Local Local
	// PeerRoles cap what calls forwarded by other nodes may do, by the nodes' names: ROLE_VIEWER, ROLE_OPERATOR or
	// ROLE_ADMIN. The name `*` is for all that are not named. Default: ROLE_ADMIN for all. Hazard: a bus without
	// permissions lets any node speak as any other.
	PeerRoles map[string]pb.Role
	// Logger gets the changes of members and of the connection. Default: none.
	Logger hclog.Logger
}

// Self is what a fleet needs of the node that is in it: a *server.Server. Its methods may be called from any goroutine
// and do not block.
type Self = member.Self

// TwinError says that a live node of the fleet has this node's name.
type TwinError = member.TwinError
