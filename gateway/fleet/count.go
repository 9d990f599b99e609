package fleet

import (
	"cmp"
	"context"
	"slices"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

var countConnections = verb[*pb.CountConnectionsRequest, *pb.CountConnectionsResponse]{
	pb.GatewayService_CountConnections_FullMethodName, Local.CountConnections}

// CountConnections adds up the counts of nodes.
func (n *Node) CountConnections(ctx context.Context, r *pb.CountConnectionsRequest) (*pb.CountConnectionsResponse,
	error) {
	to, err := n.reach(r.GetScope())
	if err != nil {
		return nil, err
	}
	if err := n.checkFilter(ctx, to, r.GetFilter()); err != nil {
		return nil, err
	}
	heads := n.heads(to.nodes)
	parts := countConnections.ask(ctx, n, to.wait, errand[*pb.CountConnectionsRequest]{to.nodes, r})
	response := mergedCount(parts)
	response.Cursor = before(heads, parts).String()
	if response.Fleet, err = settle(to, parts); err != nil {
		return nil, err
	}
	return response, nil
}

// mergedCount adds up the nodes' answers. A value that is not among the largest groups of a node counts there as
// "other", so a group's sum may be too small.
func mergedCount(parts []part[*pb.CountConnectionsResponse]) *pb.CountConnectionsResponse {
	sum := &pb.CountConnectionsResponse{}
	groups := make(map[string]uint64)
	for i := range parts {
		if !parts[i].OK() {
			continue
		}
		p := parts[i].response
		sum.Count = plus(sum.Count, p.GetCount())
		sum.TotalSize = plusSize(sum.TotalSize, p.GetTotalSize())
		sum.Other = plus(sum.Other, p.GetOther())
		for _, g := range p.GetGroups() {
			groups[g.GetValue()] = plus(groups[g.GetValue()], g.GetCount())
		}
	}
	for value, of := range groups {
		sum.Groups = append(sum.Groups, &pb.ConnectionGroup{Value: value, Count: of})
	}
	slices.SortFunc(sum.Groups, func(a, b *pb.ConnectionGroup) int {
		return cmp.Or(cmp.Compare(b.GetCount(), a.GetCount()), cmp.Compare(a.GetValue(), b.GetValue()))
	})
	for _, g := range sum.Groups[min(len(sum.Groups), server.MaxGroups):] {
		sum.Other = plus(sum.Other, g.GetCount())
	}
	sum.Groups = sum.Groups[:min(len(sum.Groups), server.MaxGroups)]
	return sum
}

// before replaces the positions of nodes that answered by the ones that they had just before they counted, because
// heads may be a heartbeat old.
func before(heads event.Vector, parts []part[*pb.CountConnectionsResponse]) event.Vector {
	for i := range parts {
		if !parts[i].OK() {
			continue
		}
		if at, err := event.ParseCursor(parts[i].response.GetCursor()); err == nil && at.Node == parts[i].Node {
			heads = heads.Set(at)
		}
	}
	return heads
}

// heads returns the position of the newest events of some nodes: this node's as of now, and the others' as of their
// last heartbeats. A stream from there misses nothing.
func (n *Node) heads(nodes []member.Member) event.Vector {
	var v event.Vector
	for _, m := range nodes {
		if m.Self {
			v = v.Set(n.config.Self.Cursor())
		} else {
			v = v.Set(event.Cursor{Origin: m.Origin, Sequence: m.Head})
		}
	}
	return v
}
