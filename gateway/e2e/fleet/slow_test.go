//go:build linux

package fleet

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/e2e/internal/scale"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestThrottled throttles the cable of one of three nodes. Calls that need it are slow, or say that it does not answer;
// calls to the others are as quick as before. After the throttle every connection and every event is there.
func TestThrottled(t *testing.T) {
	scale.Long(t)
	t.Parallel()
	l, network := newCutFleet(t, 3, *connections/5)
	a, b, c := l.gateways[0], l.gateways[1], l.gateways[2]
	own, stream := followOwn(a, b, c), follow(a, l.gateways)
	before := kickTimes(t, a, b, 0)

	network.throttle(c, "256kbit")
	b.crowd.churn(20)
	c.crowd.churn(20)
	line := strings.Repeat("-", 64<<10)
	asked := time.Now()
	r := a.broadcast("large "+line, within(time.Second)) // which takes 2 s to get there
	observe(t, "until a broadcast of 64 KiB was answered, with 1 s for it", time.Since(asked))
	observe(t, "what it said of the throttled node", strings.Join(missing(r.GetFleet()), ", "))
	for _, g := range []*gateway{a, b} {
		if n := g.crowd.got("large "+line, patience); n != g.crowd.expected() ||
			int(counted(r.GetFleet(), g.node, "matched")) < n {
			t.Errorf("%d clients of %s got the broadcast: %v", n, g.node, r)
		}
	}
	asked = time.Now()
	w := a.list(nil)
	observe(t, fmt.Sprintf("list of %d connections, without %v", len(w.rows), w.missing), time.Since(asked))
	for _, m := range w.missing {
		if name, _, _ := strings.Cut(m, " "); name != c.node {
			t.Errorf("the list is without %s; expected all but node-3 at most", m)
		}
	}
	during := kickTimes(t, a, b, 20)
	observe(t, "kick between two other nodes, median, before and beside it", fmt.Sprintf("%s, %s", before, during))
	observe(t, "until events of the others came, beside it", stream.caughtUp(b))
	if got := a.state("node-2"); got != "LIVE" {
		t.Errorf("node-2 is %s beside a throttled node", got)
	}
	observe(t, "the throttled node is", a.state("node-3"))
	c.crowd.unscathed("behind the throttle")

	freed := time.Now()
	network.throttle(c, "")
	l.together(a, b, c)
	observe(t, "until all were together, from the end of the throttle", time.Since(freed))
	b.crowd.calm()
	c.crowd.calm()
	settled(a, b, c)
	l.sameEverywhere(a, b, c)
	honest(t, "large "+line, r, c)
	unscathed("afterwards", a, b, c)
	observe(t, "until all events were there", stream.caughtUp(a, b, c))
	stream.whole(own...)
}

// honest holds that a node's result in a broadcast's reply agrees with the lines that its clients got.
func honest(t *testing.T, line string, r *pb.BroadcastResponse, g *gateway) {
	t.Helper()
	n, status := g.crowd.got(line, 0), pb.NodeStatus_NODE_STATUS_UNSPECIFIED
	for _, x := range r.GetFleet().GetNodes() {
		if x.GetNode() == g.node {
			status = x.GetStatus()
		}
	}
	switch status {
	case pb.NodeStatus_NODE_STATUS_OK:
		if n != g.crowd.expected() {
			t.Errorf("%s is said to have done it, and %d clients got it", g.node, n)
		}
	case pb.NodeStatus_NODE_STATUS_TIMED_OUT:
		t.Logf("%d of %d clients of %s got what was told to be unknown", n, g.crowd.expected(), g.node)
	default:
		if n != 0 {
			t.Errorf("%s is %s, and %d clients got it", g.node, status, n)
		}
	}
}

// kickTimes kicks ten connections of a node by way of another, from client first on, and returns the median.
func kickTimes(t *testing.T, from, to *gateway, first int) time.Duration {
	t.Helper()
	var all []time.Duration
	for i := range 10 {
		id := to.connection(first + i)
		begin := time.Now()
		if got, f := from.kick(id, within(time.Second)); got != "KICKED" {
			t.Errorf("a kick on %s by way of %s: %s, %v", to.node, from.node, got, f)
		}
		all = append(all, time.Since(begin))
		to.crowd.awaitEnd(first + i)
	}
	return median(all).Round(10 * time.Microsecond)
}

// mostForASubscriber is how much memory a subscriber that does not read may cost the asked node. It covers the events
// under way on its connection and on each leg, and the memory that the process needs for the load meanwhile.
const mostForASubscriber = 64 << 20

// TestStalled has a subscriber that does not read beside one that does, while far more events happen than any node
// keeps. The subscriber that reads misses nothing. The other one gets a gap for the events that it missed, and no node
// keeps events for it.
func TestStalled(t *testing.T) {
	t.Parallel()
	l := newFleet(t, embedded, 3, 300, "--event-log-size", "1024")
	a := l.gateways[0]
	own, reading := followOwn(l.gateways...), follow(a, l.gateways)
	stalled := newWatch(a, "the events of the one that stalls", &pb.StreamEventsRequest{})
	stalled.hold = make(chan struct{})
	stalled.begin(a)
	stalled.owed(l.gateways)
	before := a.resident()
	for _, g := range l.gateways {
		g.crowd.churn(400)
	}
	events := scale.Of(4, 12) * 1024 // of each node; far less is on the way to the subscriber that stalls
	most := before
	took := await(t, "much happens", func() (bool, string) {
		most = max(most, a.resident())
		var heads []uint64
		for _, g := range l.gateways {
			heads = append(heads, g.head())
		}
		return slices.Min(heads) > uint64(events), fmt.Sprint(heads)
	})
	for _, g := range l.gateways {
		g.crowd.calm()
	}
	observe(t, fmt.Sprintf("%d events of each of three nodes", events), took)
	observe(t, "until the one that reads had all of them", reading.caughtUp(l.gateways...))
	observe(t, "memory of the node that was asked, MiB, before and at most",
		fmt.Sprintf("%.1f, %.1f", float64(before)/(1<<20), float64(most)/(1<<20)))
	if most > before+mostForASubscriber {
		t.Errorf("the node grew from %d to %d bytes for a subscriber that does not read", before, most)
	}
	reading.whole(own...)

	close(stalled.hold)
	observe(t, "until the one that stalled had caught up", stalled.caughtUp(l.gateways...))
	stalled.dense(own...)
	observe(t, "gaps of the one that stalled", len(stalled.gaps))
	if len(stalled.gaps) == 0 {
		t.Errorf("the stalled subscriber has no gap, though far more happened than any node keeps")
	}
	settled(l.gateways...)
	l.sameEverywhere(l.gateways...)
	unscathed("afterwards", l.gateways...)
}
