//go:build linux

package fleet

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/e2e/internal/scale"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestTwinAtStart starts a gateway with the name of a running one: it refuses and says why, and the running one goes
// on.
func TestTwinAtStart(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{embedded, external} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			l := newFleet(t, mode, 2, 100)
			a, b := l.gateways[0], l.gateways[1]
			twin := &gateway{node: "node-2", flags: slices.Clone(b.flags)}
			if mode == embedded {
				twin.flags = clusterFlags([]string{l.free(9), at(b.flags, "--cluster-join"), at(b.flags, "--cluster-listen")}, 0)
			}
			begin := time.Now()
			twin.begin(t)
			if code := twin.exit(); code != 1 || !strings.Contains(twin.log.text(), "named node-2 already") {
				t.Errorf("the twin exited with %d; expected 1 and a word about its name", code)
			}
			observe(t, "until the twin refused to start", time.Since(begin))
			l.together(a, b)
			l.sameEverywhere(a, b)
			unscathed("afterwards", a, b)
		})
	}
}

// at returns the value of the first flag of a name.
func at(flags []string, name string) string { return flags[slices.Index(flags, name)+1] }

// TestTwinAfterSplit starts a second node of a name on the other side of a cut. After the cut the older one leaves the
// fleet, says so, and keeps its clients; the younger one stays in the fleet.
func TestTwinAfterSplit(t *testing.T) {
	scale.Long(t)
	t.Parallel()
	network, l, ca := newNetwork(t), newLab(t), newAuthority(t)
	addresses := make([]string, 4)
	for i, node := range []string{"node-1", "node-2", "node-3", "node-2"} {
		g := l.add(node)
		g.namespace, addresses[i] = network.host()
		addresses[i] += clusterPort
		g.flags = ca.flags(t, node, addresses[i])
	}
	for i, g := range l.gateways {
		g.flags = append(g.flags, clusterFlags(addresses, i)...)
	}
	a, older, c, younger := l.gateways[0], l.gateways[1], l.gateways[2], l.gateways[3]
	for _, g := range []*gateway{a, older, c} {
		g.launch(t)
		g.crowd = newCrowd(g, 100)
	}
	l.together(a, older, c)
	stream := follow(a, []*gateway{a, older, c})
	cut := time.Now()
	network.move("right", c, younger)
	stream.member("UNREACHABLE", "node-3", cut)
	younger.launch(t)
	younger.crowd = newCrowd(younger, 50)
	l.states(c, "node-1 UNREACHABLE", "node-2 LIVE", "node-3 LIVE")
	old := older.connection(0)

	healed := time.Now()
	network.move("left", c, younger)
	observe(t, "until the older twin said that it has left, from the healing",
		await(t, "the older twin leaves", func() (bool, string) {
			f := older.info().GetFleetInfo()
			return f.GetState() == pb.NodeState_NODE_STATE_DISPLACED, f.String()
		}))
	observe(t, "until the others and the younger were together", l.together(a, younger, c))
	t.Logf("all of it %s after the healing", time.Since(healed).Round(time.Millisecond))
	l.sameEverywhere(a, younger, c)
	unscathed("afterwards", a, older, c, younger)
	if n := older.count(nil); n.GetCount() != 100 {
		t.Errorf("the older twin counts %v; expected its own 100 clients", n)
	}
	if r := older.broadcast("by the older one", nil); r.GetMatched() != 100 ||
		older.crowd.got("by the older one", patience) != 100 {
		t.Errorf("the older twin broadcasts to its own 100 clients: %v", r)
	}
	for _, g := range []*gateway{a, younger, c} {
		if n := g.crowd.got("by the older one", 0); n != 0 {
			t.Errorf("%d clients of %s got what the node broadcast that has left", n, g.node)
		}
	}
	if got, f := a.kick(old, nil); got != "NODE_RESTARTED" {
		t.Errorf("a kick of a connection of the older twin: %s, %v", got, f)
	}
	if !strings.Contains(older.log.text(), "node-2") || len(older.states()) == 0 {
		t.Errorf("the older twin says nothing of it")
	}
}

// states waits until a gateway sees these nodes in these states.
func (l *lab) states(g *gateway, want ...string) {
	l.t.Helper()
	await(l.t, g.node+" sees "+strings.Join(want, ", "), func() (bool, string) {
		got := g.states()
		return slices.Equal(got, want), strings.Join(got, ", ")
	})
}
