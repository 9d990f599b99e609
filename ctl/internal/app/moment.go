package app

import (
	"context"
	"fmt"
	"strings"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// Moment is where the events of a gateway, or of the nodes of its fleet, end now.
type Moment struct {
	Cursor string
	fleet  bool
	Absent Absentees // they did not answer; cursor has their last known positions
}

// Now asks for the moment. In a fleet the cursor of one gateway is not enough: nodes that a cursor lacks are followed
// from the oldest event that they keep. So all nodes are asked, for a count that costs them little.
func (a *App) Now(ctx context.Context, c *Client, scope *pb.Scope) (Moment, error) {
	ctx, cancel := c.Within(ctx, 0)
	defer cancel()
	gateway, err := c.GetGateway(ctx, &pb.GetGatewayRequest{})
	if err != nil || gateway.GetFleetInfo() == nil || scope.GetLocal() {
		return Moment{Cursor: gateway.GetCursor(), fleet: gateway.GetFleetInfo() != nil}, err
	}
	count, err := c.CountConnections(ctx,
		&pb.CountConnectionsRequest{State: pb.ListState_LIST_STATE_CLOSED, Scope: scope})
	if err != nil {
		return Moment{}, err
	}
	m := Moment{Cursor: count.GetCursor(), fleet: true, Absent: *AbsentFrom(count.GetFleet())}
	if !m.Absent.Any() {
		return m, nil
	}
	nodes, err := KnownNodes(ctx, c)
	m.complete(nodes)
	return m, err
}

// complete gives the absent nodes their last known positions.
func (m *Moment) complete(nodes []*pb.Node) {
	for _, n := range nodes {
		gone := n.GetState() == pb.NodeState_NODE_STATE_LEFT
		if gone || !m.Absent.Known[n.GetName()] || positionOf(n.GetName(), m.Cursor) != nil {
			continue
		}
		m.Cursor = strings.TrimPrefix(fmt.Sprintf("%s,%s.%s@%d", m.Cursor, n.GetName(), n.GetIncarnation(), n.GetEventHead()),
			",")
	}
}
