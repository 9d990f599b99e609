//go:build linux

package fleet

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/e2e/internal/scale"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestServersRestart kills the fleet's NATS server under load and starts it again. No client notices, and each node's
// control plane answers for the node itself. The fleet answers with the nodes that it reaches, and names the missing
// ones.
func TestServersRestart(t *testing.T) {
	scale.Long(t)
	t.Parallel()
	l := newFleet(t, external, 3, *connections/5)
	a, b := l.gateways[0], l.gateways[1]
	own, stream := followOwn(l.gateways...), follow(a, l.gateways)
	for _, g := range l.gateways {
		g.crowd.churn(50)
	}
	shouts := newShouts(a, b)
	await(t, "broadcasts are under way", func() (bool, string) { return len(shouts.said()) > 10, "" })

	l.nats.kill()
	killed := time.Now()
	observe(t, "until a broadcast's reply named the others, from the server's end", shouts.incomplete(killed))
	observe(t, "until a node said that it is not connected", await(t, "not connected", func() (bool, string) {
		f := a.info().GetFleetInfo()
		return !f.GetConnected() && f.GetProblem() != "", f.String()
	}))
	undisturbed(t, l.gateways...)
	if got, f := a.kick(b.connection(0), within(time.Second)); got != "NODE_UNREACHABLE" || len(missing(f)) == 0 {
		t.Errorf("a kick on another node without a server: %s, %v; expected that nothing was sent", got, f)
	}
	requireAll(t, a)

	l.nats.launch()
	began := time.Now()
	observe(t, "until a broadcast's reply was complete again, from the server's start", shouts.complete(began))
	observe(t, "until all were together again", l.together(l.gateways...))
	shouts.stop()
	checkAnswered(t, shouts, l.gateways...)
	for _, g := range l.gateways {
		g.crowd.calm()
	}
	settled(l.gateways...)
	l.sameEverywhere(l.gateways...)
	unscathed("afterwards", l.gateways...)
	stream.caughtUp(l.gateways...)
	stream.whole(own...)
}

// undisturbed holds that nodes without a connection to others serve their clients and answer for themselves.
func undisturbed(t *testing.T, gateways ...*gateway) {
	t.Helper()
	for _, g := range gateways {
		g.crowd.unscathed(fmt.Sprintf("alone %d", time.Now().UnixNano()))
		if w := g.list(local()); len(w.rows) < g.crowd.expected() {
			t.Errorf("%s lists %d of its %d clients", g.node, len(w.rows), g.crowd.expected())
		}
		line := "by itself " + g.node
		if r := g.broadcast(line, local()); g.crowd.got(line, patience) != g.crowd.expected() {
			t.Errorf("%s by itself: %v", g.node, r)
		}
	}
}

// requireAll holds that a caller that requires all nodes is told which are missing.
func requireAll(t *testing.T, g *gateway) {
	t.Helper()
	_, err := g.client.CountConnections(briefly(t), &pb.CountConnectionsRequest{Scope: &pb.Scope{RequireAll: true}})
	if reason := reasonOf(err); reason != "NODES_MISSING" {
		t.Errorf("a count that requires all nodes: %v", err)
	}
}

// checkAnswered compares the results of each node in the replies to broadcasts with the lines that its clients got: all
// if the node answered, none if it was not asked, either if it was asked and did not answer.
func checkAnswered(t *testing.T, s *shouts, gateways ...*gateway) {
	t.Helper()
	told := make(map[pb.NodeStatus]int)
	for _, x := range s.said() {
		for _, g := range gateways {
			var status pb.NodeStatus
			for _, n := range x.reply.GetFleet().GetNodes() {
				if n.GetNode() == g.node {
					status = n.GetStatus()
				}
			}
			told[status]++
			patient := time.Duration(0)
			if status == pb.NodeStatus_NODE_STATUS_OK {
				patient = patience
			}
			n := g.crowd.got(x.line, patient)
			if status == pb.NodeStatus_NODE_STATUS_OK && n != g.crowd.expected() ||
				status == pb.NodeStatus_NODE_STATUS_UNREACHABLE && n != 0 {
				t.Errorf("%q came to %d of %d clients of %s, which is said to be %s", x.line, n, g.crowd.expected(), g.node, status)
			}
		}
	}
	for status, n := range told {
		observe(t, fmt.Sprintf("what %d broadcasts' replies said of each node: %s", len(s.said()), word(status)), n)
	}
}

// TestStartedFirst starts gateways before there is a NATS server. They serve, name the missing nodes, and become a
// fleet when the server starts.
func TestStartedFirst(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.nats = l.newNATS()
	for i := range 3 {
		g := l.add(fmt.Sprintf("node-%d", i+1), "--nats-url", l.nats.url())
		begin := time.Now()
		g.launch(t)
		observe(t, "until a gateway without a server serves", time.Since(begin))
		g.crowd = newCrowd(g, 100)
	}
	undisturbed(t, l.gateways...)
	for _, g := range l.gateways {
		if f := g.info().GetFleetInfo(); f.GetConnected() || f.GetProblem() == "" || f.GetMode() != external {
			t.Errorf("%s: %v", g.node, f)
		}
		if n := g.count(nil); n.GetCount() != 100 {
			t.Errorf("%s counts %v; expected its own 100", g.node, n)
		}
	}
	l.nats.launch()
	observe(t, "until all were together, from the server's start", l.together(l.gateways...))
	l.sameEverywhere(l.gateways...)
	unscathed("afterwards", l.gateways...)
}

// TestServerAbsentNeverBlocks holds that a call for the whole fleet takes no longer than its caller allows, in any
// state of the bus: here a stopped server, which lets nodes connect and never answers.
func TestServerAbsentNeverBlocks(t *testing.T) {
	t.Parallel()
	l := newFleet(t, external, 3, 60)
	a := l.gateways[0]
	l.nats.stop()
	stopped := time.Now()
	observe(t, "until the others were missing, from the server's stop", incomplete(a, stopped, l.gateways[1:]))
	undisturbed(t, l.gateways...)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := a.client.ListNodes(ctx, &pb.ListNodesRequest{}); err != nil {
		t.Errorf("the nodes: %v", err)
	}
	l.nats.signal(syscall.SIGCONT)
	observe(t, "until all were together again, from its waking", l.together(l.gateways...))
	l.sameEverywhere(l.gateways...)
	unscathed("afterwards", l.gateways...)
	if names := missing(a.count(nil).GetFleet()); !slices.Equal(names, nil) {
		t.Errorf("missing: %v", names)
	}
}
