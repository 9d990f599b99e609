package cli

import (
	"context"
	"fmt"
	"strings"

	sockgatev1 "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// moment is where the events of a gateway, or of the nodes of its fleet, end now.
type moment struct {
	cursor string
	fleet  bool
	absent absentees // they did not say; in cursor they are where the gateway heard of them last
}

// now asks for the moment. The cursor of a gateway alone does not do in a fleet: nodes that a cursor does not have are followed from the
// oldest event that they keep. So there all nodes are asked, for a count that costs them little.
func (a *app) now(ctx context.Context, c *client, scope *sockgatev1.Scope) (moment, error) {
	ctx, cancel := a.within(ctx, 0)
	defer cancel()
	gateway, err := c.GetGateway(ctx, &sockgatev1.GetGatewayRequest{})
	if err != nil || gateway.GetFleetInfo() == nil || scope.GetLocal() {
		return moment{cursor: gateway.GetCursor(), fleet: gateway.GetFleetInfo() != nil}, err
	}
	count, err := c.CountConnections(ctx, &sockgatev1.CountConnectionsRequest{State: sockgatev1.ListState_LIST_STATE_CLOSED, Scope: scope})
	if err != nil {
		return moment{}, err
	}
	m := moment{cursor: count.GetCursor(), fleet: true, absent: *absentFrom(count.GetFleet())}
	if !m.absent.any() {
		return m, nil
	}
	nodes, err := knownNodes(ctx, c)
	m.complete(nodes)
	return m, err
}

// complete gives the absent nodes the positions that are known of them.
func (m *moment) complete(nodes []*sockgatev1.Node) {
	for _, n := range nodes {
		gone := n.GetState() == sockgatev1.NodeState_NODE_STATE_LEFT
		if gone || !m.absent.known[n.GetName()] || positionOf(n.GetName(), m.cursor) != nil {
			continue
		}
		m.cursor = strings.TrimPrefix(fmt.Sprintf("%s,%s.%s@%d", m.cursor, n.GetName(), n.GetIncarnation(), n.GetEventHead()), ",")
	}
}
