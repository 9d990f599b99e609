package fleet

import (
	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/bus"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// Config configures a node of a fleet. New copies it, but PeerRoles must not change afterwards.
type Config struct {
	// Fleet is the fleet's name: 1 to 32 of a-z, 0-9 and -. Required.
	Fleet string
	// Version is the program's version, which other nodes list. It may be empty.
	Version string
	// Bus carries the messages. Required. Its owner closes it, after Leave.
	Bus bus.Bus
	// Self is the node itself. Required.
	Self member.Self
	// Local answers for this node alone. Required.
	Local Local
	// PeerRoles cap what calls forwarded by other nodes may do, by the nodes' names: ROLE_VIEWER, ROLE_OPERATOR or
	// ROLE_ADMIN. The name `*` stands for all nodes without an entry. Default: ROLE_ADMIN for all. Hazard: a bus without
	// permissions lets any node speak as any other.
	PeerRoles map[string]pb.Role
	// ControlAddress is where programs on other machines reach this node's control plane: `host:port`, at most 255 bytes,
	// see CheckControlAddress. Other nodes pass it on to programs that attach, and list it. Empty: they are not told.
	ControlAddress string
	// Logger gets changes of members and of the bus's connection. Default: none.
	Logger hclog.Logger
}

// Self is the node in a fleet as the fleet needs it: a *server.Server. Its methods may be called from any goroutine and
// do not block.
type Self = member.Self

// CheckControlAddress checks a Config.ControlAddress that is not empty. The host must be a name, or the IP address of
// one machine. The error's text is a complaint without the address.
func CheckControlAddress(text string) error { return member.CheckAddress(text) }

// TwinError says that a live node of the fleet has this node's name.
type TwinError = member.TwinError
