package fleet

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/internal/exchange"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	"github.com/sockgate/sockgate/gateway/fleet/internal/page"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestWalkHasTime checks that a page asks a second node only while half of the time is left. A node with less time
// would be passed over although it is well, and only the next page would ask it.
func TestWalkHasTime(t *testing.T) {
	for _, c := range []struct {
		took, wait, deadline time.Duration
		asked                int
	}{
		{2 * time.Second, 5 * time.Second, time.Minute, 2},
		{2500 * time.Millisecond, 5 * time.Second, time.Minute, 1},
		{4 * time.Second, time.Minute, 10 * time.Second, 2},
		{5 * time.Second, time.Minute, 10 * time.Second, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), c.deadline)
			defer cancel()
			asked := 0
			w := &walk{at: &page.Token{}, room: 100, wait: c.wait, ask: func(_ context.Context, m member.Member, _ int,
				_ string) exchange.Answer {
				asked++
				time.Sleep(c.took)
				return exchange.Answer{Node: m.Node, Status: pb.NodeStatus_NODE_STATUS_OK}
			}}
			for _, name := range []string{"a", "b"} {
				w.nodes = append(w.nodes, member.Member{Origin: event.Origin{Node: name}, State: pb.NodeState_NODE_STATE_LIVE})
			}
			w.run(ctx)
			if ended := w.at.Node == ""; asked != c.asked || ended != (asked == 2) {
				t.Errorf("%s of %s and %s: %d asked, the next page begins behind %q", c.took, c.wait, c.deadline, asked, w.at.Node)
			}
		})
	}
}
