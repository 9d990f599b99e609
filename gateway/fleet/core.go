package fleet

import (
	"cmp"
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// core is the part of a node that never asks another node.
type core struct {
	config Config
	local  Local
	roster member.Roster
}

// maxRole caps what calls forwarded by another node may do.
func (n *core) maxRole(from string) pb.Role {
	return cmp.Or(n.config.PeerRoles[from], n.config.PeerRoles["*"], pb.Role_ROLE_ADMIN)
}

// forgetFor forgets a node for a caller of another one. The caller must be an admin at that node, and that node's peer
// role must allow an admin here. forgetFor also succeeds if this node never knew the forgotten node, or still hears
// from it and so keeps it.
func (n *core) forgetFor(ctx context.Context, caller event.Actor, name string) error {
	r := &pb.ForgetNodeRequest{Node: name}
	return n.local.Admit(ctx, caller, n.maxRole(caller.Via), pb.GatewayService_ForgetNode_FullMethodName, r,
		func(ctx context.Context) error {
			if m, err := n.roster.Forget(name); err == nil {
				n.local.Record(forgotten(n.local.Caller(ctx), &m))
			}
			return nil
		})
}

// info describes the fleet as this node sees it.
func (n *core) info() *pb.FleetInfo {
	bus := n.config.Bus.Status()
	info := &pb.FleetInfo{Name: n.config.Fleet, Mode: bus.Mode, Connected: bus.Connected, Problem: bus.Problem,
		State: n.roster.Self().State,
		Nodes: uint32(len(n.roster.Known()))}
	if !bus.Since.IsZero() {
		info.Since = timestamppb.New(bus.Since)
	}
	return info
}
