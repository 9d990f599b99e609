//go:build linux

package fleet

import (
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// lab is a fleet of gateways with its network and its NATS server. It is for one test.
type lab struct {
	t        testing.TB
	network  string // 127.x.y, for this lab alone, so that a port that was found free stays free
	nats     *natsServer
	gateways []*gateway
}

// The ways in which nodes are connected.
const (
	embedded = "embedded"
	external = "external"
)

func newLab(t testing.TB) *lab {
	return &lab{t: t, network: fmt.Sprintf("127.%d.%d", 64+rand.IntN(128), rand.IntN(256))}
}

// newFleet starts gateways with clients, node-1 and so on, and waits until each hears of all.
func newFleet(t testing.TB, mode string, nodes, clients int, flags ...string) *lab {
	t.Helper()
	l := newLab(t)
	switch mode {
	case external:
		l.nats = l.newNATS()
		l.nats.launch()
		for i := range nodes {
			l.add(fmt.Sprintf("node-%d", i+1), append(flags, "--nats-url", l.nats.url())...)
		}
	default:
		addresses := make([]string, nodes)
		for i := range addresses {
			addresses[i] = l.free(i + 1)
		}
		for i := range addresses {
			l.add(fmt.Sprintf("node-%d", i+1), append(flags, clusterFlags(addresses, i)...)...)
		}
	}
	for _, g := range l.gateways {
		g.launch(t)
		g.crowd = newCrowd(g, clients/nodes)
	}
	observe(t, "until all nodes hear of all others, from the last one's start", l.together(l.gateways...))
	return l
}

// clusterFlags are the flags of one node of an embedded cluster, which joins all others.
func clusterFlags(addresses []string, self int) []string {
	flags := []string{"--cluster-listen", addresses[self]}
	for i, a := range addresses {
		if i != self {
			flags = append(flags, "--cluster-join", a)
		}
	}
	return flags
}

// free returns an address of the lab's network with a port that is free.
func (l *lab) free(host int) string {
	l.t.Helper()
	listener, err := net.Listen("tcp", fmt.Sprintf("%s.%d:0", l.network, host))
	check(l.t, err)
	defer listener.Close()
	return listener.Addr().String()
}

// add makes a gateway that does not run yet.
func (l *lab) add(node string, flags ...string) *gateway {
	g := &gateway{node: node, flags: slices.Clone(flags)}
	l.gateways = append(l.gateways, g)
	return g
}

// together waits until each of the gateways has exactly these in its fleet and is answered by all.
func (l *lab) together(gateways ...*gateway) time.Duration {
	l.t.Helper()
	var want []string
	for _, g := range gateways {
		want = append(want, g.node+" LIVE")
	}
	slices.Sort(want)
	return await(l.t, "all nodes are together", func() (bool, string) {
		for _, g := range gateways {
			if states := g.states(); !slices.Equal(states, want) {
				return false, fmt.Sprintf("%s has %v", g.node, states)
			}
			if r := g.count(within(time.Second)); !r.GetFleet().GetComplete() {
				return false, fmt.Sprintf("%s is answered by %v", g.node, r.GetFleet())
			}
		}
		return true, ""
	})
}

// locals returns the connections that each gateway lists as its own, in the order of (node, seq).
func locals(gateways ...*gateway) (ids []string) {
	sorted := slices.SortedFunc(slices.Values(gateways),
		func(a, b *gateway) int { return strings.Compare(a.node, b.node) })
	for _, g := range sorted {
		ids = append(ids, g.list(local()).ids()...)
	}
	return ids
}

// sameEverywhere holds that each gateway lists exactly the connections that all list as their own: none is missing, and
// none is a ghost. No client may come or go meanwhile.
func (l *lab) sameEverywhere(gateways ...*gateway) {
	l.t.Helper()
	want := locals(gateways...)
	for _, g := range gateways {
		w := g.list(nil)
		if got := w.ids(); !slices.Equal(got, want) || len(w.missing) > 0 {
			l.t.Errorf("%s lists %d connections, and the nodes by themselves %d; missing: %v; difference: %s", g.node, len(got),
				len(want), w.missing, difference(got, want))
		}
		if n := g.count(nil); int(n.GetCount()) != len(want) || !n.GetFleet().GetComplete() {
			l.t.Errorf("%s counts %d connections; expected %d: %v", g.node, n.GetCount(), len(want), n.GetFleet())
		}
	}
}

// difference names some of the connections that only one of two lists has.
func difference(got, want []string) string {
	only := func(a, b []string) []string {
		known := make(map[string]bool, len(b))
		for _, x := range b {
			known[x] = true
		}
		var all []string
		for _, x := range a {
			if !known[x] && len(all) < 5 {
				all = append(all, x)
			}
		}
		return all
	}
	extra, lost := only(got, want), only(want, got)
	if len(extra)+len(lost) == 0 {
		return "the order, or one that is there twice"
	}
	return fmt.Sprintf("only in the fleet's list: %v, not in it: %v", extra, lost)
}

// unscathed holds that no client of these gateways has lost its connection, and that each is echoed.
func unscathed(word string, gateways ...*gateway) {
	for _, g := range gateways {
		g.t.Helper()
		g.crowd.unscathed(word)
	}
}

// settled waits until no gateway has more than its standing clients, as after churn.
func settled(gateways ...*gateway) {
	for _, g := range gateways {
		g.t.Helper()
		await(g.t, g.node+" has its standing clients only", func() (bool, string) {
			n := g.count(local()).GetCount()
			return int(n) == g.crowd.expected(), fmt.Sprintf("%d; expected %d", n, g.crowd.expected())
		})
	}
}
