package fleet

import (
	"cmp"
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/internal/exchange"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	"github.com/sockgate/sockgate/gateway/fleet/internal/page"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	"github.com/sockgate/sockgate/gateway/internal/ipnet"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

var (
	addBan    = verb[*pb.AddBanRequest, *pb.AddBanResponse]{pb.GatewayService_AddBan_FullMethodName, Local.AddBan}
	listBans  = verb[*pb.ListBansRequest, *pb.ListBansResponse]{pb.GatewayService_ListBans_FullMethodName, Local.ListBans}
	removeBan = verb[*pb.RemoveBanRequest, *pb.RemoveBanResponse]{pb.GatewayService_RemoveBan_FullMethodName,
		Local.RemoveBan}
)

// AddBan asks nodes to ban, each for itself.
func (n *Node) AddBan(ctx context.Context, r *pb.AddBanRequest) (*pb.AddBanResponse, error) {
	to, err := n.reach(r.GetScope())
	if err != nil {
		return nil, err
	}
	parts := addBan.ask(ctx, n, to.wait, errand[*pb.AddBanRequest]{to.nodes, r})
	for i := range parts {
		n.judgeBan(to, &parts[i].Answer, parts[i].response.GetBan(), r.GetTarget(), r.GetIdentity())
	}
	elsewhere := mergedBan(others(n, parts), n.roster.Self().Node)
	audit(ctx, n, &event.ControlDetail{Verb: "AddBan", Ban: cmp.Or(elsewhere.GetBan().GetTarget(), r.GetTarget()),
		Reason: r.GetReason(), Matched: elsewhere.GetClosed(),
		Outcomes: map[string]uint64{"CLOSED": elsewhere.GetClosed()}}, parts)
	response := mergedBan(parts, n.roster.Self().Node)
	if response.Fleet, err = settle(to, parts); err != nil {
		return nil, err
	}
	return response, nil
}

// judgeBan replaces an answer with a ban of another target than the one that was asked for.
func (n *Node) judgeBan(to *reach, a *exchange.Answer, b *pb.Ban, target string, identity bool) {
	if !a.OK() || b == nil || b.GetIdentity() == identity && sameTarget(b.GetTarget(), target, identity) {
		return
	}
	*a = n.distrusted(to.origin(a.Node), *a, fmt.Errorf("it sent a ban of %.100q; it was asked for one of %.100q",
		b.GetTarget(), target))
}

// sameTarget reports whether a node's text of a target means what a caller asked for.
func sameTarget(said, asked string, identity bool) bool {
	if identity {
		return said == contract.ValidText(asked)
	}
	a, err := ipnet.ParseDroppingZone(asked)
	b, other := ipnet.ParseDroppingZone(said)
	return err == nil && other == nil && a == b
}

// mergedBan merges the nodes' answers. The ban is this node's if it has one, else another node's.
func mergedBan(parts []part[*pb.AddBanResponse], self string) *pb.AddBanResponse {
	sum := &pb.AddBanResponse{Durable: true}
	for i := range parts {
		if !parts[i].OK() {
			continue
		}
		p := parts[i].response
		if sum.Ban == nil || parts[i].Node == self {
			sum.Ban = p.GetBan()
		}
		sum.Replaced = sum.Replaced || p.GetReplaced()
		sum.Durable = sum.Durable && p.GetDurable()
		sum.Closed = plus(sum.Closed, p.GetClosed())
	}
	sum.Durable = sum.Durable && sum.Ban != nil
	sum.Ban = notKept(sum.Ban, parts, (*pb.AddBanResponse).GetBan)
	return sum
}

// notKept returns a ban that says which node does not keep it, and why: the first one that does not.
func notKept[R proto.Message](ban *pb.Ban, parts []part[R], banOf func(R) *pb.Ban) *pb.Ban {
	why := firstReason(parts, func(r R) string { return banOf(r).GetNotKeptReason() })
	if ban == nil || why == "" {
		return ban
	}
	ban = proto.CloneOf(ban)
	ban.NotKeptReason = &why
	return ban
}

// firstReason returns the first reason that a node gave for not keeping a change, behind the node's name; or "".
func firstReason[R proto.Message](parts []part[R], reasonOf func(R) string) string {
	for i := range parts {
		if why := reasonOf(parts[i].response); parts[i].OK() && why != "" {
			return parts[i].Node + ": " + why
		}
	}
	return ""
}

// ListBans returns one page: bans of the node that the walk is at, and of the next node if there is room.
func (n *Node) ListBans(ctx context.Context, r *pb.ListBansRequest) (*pb.ListBansResponse, error) {
	to, err := n.reach(r.GetScope())
	if err != nil {
		return nil, err
	}
	if to.local {
		response, err := n.local.ListBans(ctx, r)
		if err != nil {
			return nil, err
		}
		response.Fleet = fleetResult([]*pb.NodeResult{nodeResult(&exchange.Answer{Node: to.nodes[0].Node,
			Status: pb.NodeStatus_NODE_STATUS_OK})})
		return response, nil
	}
	at, err := page.Decode(r.GetPageToken(), contract.TokenOfFleetBans, page.Bind(scopeNames(r.GetScope())))
	if err != nil {
		return nil, err
	}
	response := &pb.ListBansResponse{}
	ask := func(ctx context.Context, m member.Member, rows int, token string) exchange.Answer {
		own := sharing(r)
		own.PageSize, own.PageToken = int32(rows), token
		return listBans.askOne(ctx, n, to.wait, m, own)
	}
	w := &walk{nodes: to.nodes, at: at, room: contract.PageSize(r.GetPageSize()), wait: to.wait, ask: ask,
		distrust: n.distrustedOf}
	if response.Fleet, response.NextPageToken, err = n.page(ctx, to, w); err != nil {
		return nil, err
	}
	response.TotalSize = w.total
	response.ProtoReflect().SetUnknown(w.rows)
	return response, nil
}

// RemoveBan asks nodes to end a ban. A node without a ban of this target has succeeded, unless no node has one.
func (n *Node) RemoveBan(ctx context.Context, r *pb.RemoveBanRequest) (*pb.RemoveBanResponse, error) {
	to, err := n.reach(r.GetScope())
	if err != nil {
		return nil, err
	}
	parts := removeBan.ask(ctx, n, to.wait, errand[*pb.RemoveBanRequest]{to.nodes, r})
	response := &pb.RemoveBanResponse{}
	for i := range parts {
		n.judgeBan(to, &parts[i].Answer, parts[i].response.GetBan(), r.GetTarget(), r.GetIdentity())
		if p := &parts[i]; p.OK() && response.Ban == nil {
			response.Ban = p.response.GetBan()
		}
	}
	absent := excused(n, parts)
	response.Ban = notKept(response.Ban, parts, (*pb.RemoveBanResponse).GetBan)
	response.Fleet, err = settle(to, parts)
	if response.Ban == nil && response.GetFleet().GetComplete() {
		return nil, absent
	}
	audit(ctx, n, &event.ControlDetail{Verb: "RemoveBan", Ban: cmp.Or(response.GetBan().GetTarget(), r.GetTarget())},
		parts)
	if err != nil {
		return nil, err
	}
	return response, nil
}
