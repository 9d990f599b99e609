package fleet

import (
	"context"
	"strconv"
	"strings"

	"github.com/sockgate/sockgate/gateway/fleet/internal/exchange"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	"github.com/sockgate/sockgate/gateway/fleet/internal/page"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

var listConnections = verb[*pb.ListConnectionsRequest, *pb.ListConnectionsResponse]{
	pb.GatewayService_ListConnections_FullMethodName, Local.ListConnections}

// ListConnections returns one page: rows of the node that the walk has come to, and of the next node if they fit.
func (n *Node) ListConnections(ctx context.Context, r *pb.ListConnectionsRequest) (*pb.ListConnectionsResponse, error) {
	to, err := n.reach(r.GetScope())
	if err != nil {
		return nil, err
	}
	if to.local {
		response, err := n.local.ListConnections(ctx, r)
		if err != nil {
			return nil, err
		}
		response.Fleet = fleetResult([]*pb.NodeResult{nodeResult(&exchange.Answer{Node: to.nodes[0].Node,
			Status: pb.NodeStatus_NODE_STATUS_OK})})
		return response, nil
	}
	if err := n.local.CheckFilter(ctx, r.GetFilter()); err != nil { // a later error about it is due to a node's version
		return nil, err
	}
	state := max(r.GetState(), pb.ListState_LIST_STATE_LIVE) // UNSPECIFIED means LIVE
	at, err := page.Decode(r.GetPageToken(), contract.TokenOfFleetConnections, page.Bind(strconv.Itoa(int(state)),
		r.GetFilter(), scopeNames(r.GetScope())))
	if err != nil {
		return nil, err
	}
	response := &pb.ListConnectionsResponse{TotalSize: n.live(to.nodes)}
	if r.GetPageToken() == "" {
		response.Cursor = n.heads(to.nodes).String()
	}
	ask := func(ctx context.Context, m member.Member, rows int, token string) exchange.Answer {
		own := sharing(r)
		own.PageSize, own.PageToken = int32(rows), token
		return listConnections.askOne(ctx, n, to.wait, m, own)
	}
	w := &walk{nodes: to.nodes, at: at, room: contract.PageSize(r.GetPageSize()), wait: to.wait, ask: ask,
		distrust: n.distrustedOf}
	if response.Fleet, response.NextPageToken, err = n.page(ctx, to, w); err != nil {
		return nil, err
	}
	response.ProtoReflect().SetUnknown(w.rows)
	return response, nil
}

// page runs a page of a walk. It returns the results of the nodes that it asked, and the token of the next page.
func (n *Node) page(ctx context.Context, to *reach, w *walk) (result *pb.FleetResult, next string, err error) {
	ctx, cancel := inTime(ctx)
	defer cancel()
	w.run(ctx)
	if w.at.Node != "" {
		next = w.at.Encode()
	}
	result, err = to.result(w.results)
	return result, next, err
}

// scopeNames is the scope's part of a walk's binding.
func scopeNames(s *pb.Scope) string { return strings.Join(s.GetNodes(), ",") }

// live adds up the live connections of the nodes that may answer: this node's as of now, the others' as of their last
// heartbeats.
func (n *Node) live(nodes []member.Member) int64 {
	var sum int64
	for _, m := range nodes {
		switch {
		case m.Self:
			sum += int64(n.config.Self.Live())
		case m.Asked():
			sum += int64(m.Connections)
		}
	}
	return sum
}
