//go:build linux

package fleet

import (
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/e2e/internal/scale"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// stoppedFor is how long a node is stopped: longer than it takes to become unreachable, and than any caller waits.
const stoppedFor = 15 * time.Second

// TestStopped stops a node's process for a while. Outcomes of requests to it are unknown meanwhile. It does not carry
// them out when it wakes, although all of them still arrive.
func TestStopped(t *testing.T) {
	scale.Long(t)
	t.Parallel()
	for _, mode := range []string{embedded, external} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			l := newFleet(t, mode, 3, 300)
			a, b, c := l.gateways[0], l.gateways[1], l.gateways[2]
			own, stream := followOwn(a, b, c), follow(a, l.gateways)
			kicked, sent, late := c.connection(0), c.connection(1), c.connection(2)
			c.stop()
			stopped := time.Now()

			got, f := a.kick(kicked, within(2*time.Second))
			if got != "UNKNOWN" || !slices.Equal(missing(f), []string{"node-3 TIMED_OUT"}) {
				t.Errorf("a kick on a stopped node: %s, %v", got, f)
			}
			observe(t, "until the kick was told to be unknown, with 2 s to answer", time.Since(stopped))
			if got := b.send(sent, "too late", within(time.Second)); got != "UNKNOWN" {
				t.Errorf("a send to a stopped node: %s", got)
			}
			if r := a.broadcast("most", within(time.Second)); !slices.Equal(missing(r.GetFleet()),
				[]string{"node-3 TIMED_OUT"}) || r.GetMatched() != 200 {
				t.Errorf("a broadcast: %v", r)
			}
			observe(t, "until NODE_UNREACHABLE", stream.member("UNREACHABLE", "node-3", stopped))
			if got, f := a.kick(late, nil); got != "NODE_UNREACHABLE" {
				t.Errorf("a kick on a node that is unreachable: %s, %v", got, f)
			}
			hold(t, stopped, stoppedFor)

			woke := time.Now()
			c.signal(syscall.SIGCONT)
			observe(t, "until NODE_RECOVERED, from its waking", stream.member("RECOVERED", "node-3", woke))
			observe(t, "until all were together again", l.together(a, b, c))
			// The earlier requests come before this one, on the same path.
			for _, g := range []*gateway{a, b} {
				for _, id := range []string{kicked, sent, late} {
					if got := g.send(id, "in time by "+g.node, nil); got != "WRITTEN" {
						t.Errorf("a send to %s by %s afterwards: %s", id, g.node, got)
					}
				}
				if n := c.crowd.got("in time by "+g.node, 0); n < 1 {
					await(t, "the send arrives", func() (bool, string) { return c.crowd.got("in time by "+g.node, 0) == 3, "" })
				}
			}
			if late, most := c.crowd.got("too late", 0), c.crowd.got("most", 0); late+most != 0 {
				t.Errorf("%d clients got what was sent while their node was stopped, and %d what was broadcast", late, most)
			}
			unscathed("afterwards", a, b, c)
			l.sameEverywhere(a, b, c)
			stream.caughtUp(a, b, c)
			for _, w := range own {
				w.caughtUp(l.gateways[slices.Index(own, w)])
			}
			stream.whole(own...)
			if verbs := controls(c); slices.Contains(verbs, "Kick") || slices.Contains(verbs, "Broadcast") {
				t.Errorf("node-3 has carried out what was not to be: %v", verbs)
			}
		})
	}
}

// controls returns the verbs that a gateway has carried out.
func controls(g *gateway) (verbs []string) {
	g.t.Helper()
	head := g.marked()
	stream, err := g.client.StreamEvents(briefly(g.t), &pb.StreamEventsRequest{After: "0", Scope: local(),
		Types: []pb.EventType{pb.EventType_EVENT_TYPE_CONTROL}})
	check(g.t, err)
	for {
		r, err := stream.Recv()
		check(g.t, err)
		for _, e := range r.GetEvents() {
			if verbs = append(verbs, e.GetControl().GetVerb()); e.GetSequence() >= head {
				return verbs
			}
		}
	}
}
