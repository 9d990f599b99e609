//go:build linux

package fleet

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/e2e/internal/scale"
)

// TestSplit cuts two of five nodes off from the other three while clients come and go on both sides. Each side names
// the nodes that it is without. Nothing that one side is asked for meanwhile happens on the other side, then or later.
// After the cut is healed no node lists a connection that is gone.
func TestSplit(t *testing.T) {
	scale.Long(t)
	t.Parallel()
	l, network := newCutFleet(t, 5, *connections/5)
	few, many := l.gateways[:2], l.gateways[2:]
	own := followOwn(l.gateways...)
	streams := []*watch{follow(few[0], l.gateways), follow(many[0], l.gateways)}
	for _, g := range l.gateways {
		g.crowd.churn(20)
	}
	beyond := map[*gateway]string{few[0]: many[0].connection(0), many[0]: few[1].connection(0)}

	cut := time.Now()
	network.move("right", few...)
	sides := map[*gateway][]*gateway{few[0]: many, many[0]: few} // the asked node, and the nodes that do not answer it
	var asking sync.WaitGroup
	for from, absent := range sides {
		asking.Go(func() {
			observe(t, "until "+from.node+" said that the others do not answer, with 500 ms for it, from the cut",
				incomplete(from, cut, absent))
		})
	}
	asking.Wait()
	for _, from := range []*gateway{few[0], many[0]} {
		if got, _ := from.kick(beyond[from], within(time.Second)); got != "UNKNOWN" {
			t.Errorf("a kick across the cut by way of %s: %s", from.node, got)
		}
		from.broadcast("across by "+from.node, within(time.Second))
	}
	for i, from := range []*gateway{few[0], many[0]} {
		for _, g := range sides[from] {
			took := streams[i].member("UNREACHABLE", g.node, cut)
			if g == sides[from][0] {
				observe(t, "until NODE_UNREACHABLE of "+g.node+" by way of "+from.node+", from the cut", took)
			}
		}
		if got, f := from.kick(beyond[from], nil); got != "NODE_UNREACHABLE" {
			t.Errorf("a kick across the cut by way of %s: %s, %v", from.node, got, f)
		}
		w := from.list(nil)
		if want := named(sides[from], "UNREACHABLE"); !slices.Equal(w.missing, want) {
			t.Errorf("%s lists without %v; expected %v", from.node, w.missing, want)
		}
		for _, c := range w.rows {
			if slices.ContainsFunc(sides[from], func(g *gateway) bool { return g.node == c.GetNode() }) {
				t.Fatalf("%s lists a connection of %s, which is behind the cut", from.node, c.GetNode())
			}
		}
	}
	hold(t, cut, *splitFor)

	healed := time.Now()
	network.move("left", few...)
	churned := 0
	observe(t, "until every node had the answers of all, from the healing", l.together(l.gateways...))
	for _, g := range l.gateways {
		churned += g.crowd.calm()
	}
	observe(t, "clients that came and went meanwhile, all served", churned)
	settled(l.gateways...)
	l.sameEverywhere(l.gateways...)
	for i, s := range streams {
		s.member("RECOVERED", sides[[]*gateway{few[0], many[0]}[i]][0].node, healed)
		observe(t, "until "+s.name+" had everything, from the end of the churn", s.caughtUp(l.gateways...))
		s.whole(own...)
	}
	for from, others := range sides {
		for _, g := range others {
			if n := g.crowd.got("across by "+from.node, 0); n != 0 {
				t.Errorf("%d clients of %s got what was broadcast on the other side of the cut", n, g.node)
			}
		}
	}
	unscathed("afterwards", l.gateways...)
}

// named is the result of missing for these nodes with one status.
func named(gateways []*gateway, status string) (names []string) {
	for _, g := range gateways {
		names = append(names, g.node+" "+status)
	}
	slices.Sort(names)
	return names
}

// incomplete counts by way of a gateway until the reply names exactly the absent nodes, and returns how long that was
// after a moment. No earlier reply may name any other node.
func incomplete(g *gateway, since time.Time, absent []*gateway) time.Duration {
	g.t.Helper()
	var want []string
	for _, a := range absent {
		want = append(want, a.node)
	}
	await(g.t, g.node+" is without "+strings.Join(want, ", "), func() (bool, string) {
		var names []string
		for _, m := range missing(g.count(within(500 * time.Millisecond)).GetFleet()) {
			name, _, _ := strings.Cut(m, " ")
			names = append(names, name)
			if !slices.Contains(want, name) {
				g.t.Errorf("%s says that it is without %s", g.node, m)
			}
		}
		return slices.Equal(names, want), fmt.Sprint(names)
	})
	return time.Since(since)
}
