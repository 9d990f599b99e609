//go:build linux

package fleet

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/e2e/internal/scale"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestHarness holds, on one gateway without a fleet, that the lab sees which client got a line, which was cut off, and
// which is listed. Without it a scenario could pass because the lab saw nothing.
func TestHarness(t *testing.T) {
	t.Parallel()
	g := &gateway{node: "alone"}
	g.launch(t)
	g.crowd = newCrowd(g, 300)
	g.crowd.unscathed("at first")
	rows := g.list(nil).rows
	if len(rows) != 300 || !slices.Equal(locals(g), g.list(nil).ids()) {
		t.Errorf("%d connections are listed; expected 300, the same each time", len(rows))
	}
	own, stream := followOwn(g), follow(g, []*gateway{g})
	victim := g.crowd.index(rows[17].GetRemoteAddress())
	if id := g.connection(victim); id != rows[17].GetId() {
		t.Errorf("client %d has the connection %s; expected %s", victim, id, rows[17].GetId())
	}
	if got, _ := g.kick(rows[17].GetId(), nil); got != "KICKED" {
		t.Errorf("the kick was %s", got)
	}
	g.crowd.awaitEnd(victim)
	if r := g.broadcast("to all", nil); r.GetMatched() != 299 || g.crowd.got("to all", patience) != 299 {
		t.Errorf("a broadcast reached %d clients, and the reply is %v; expected 299", g.crowd.got("to all", 0), r)
	}
	g.crowd.churn(100)
	await(t, "clients come and go", func() (bool, string) {
		n := g.info().GetTotals().GetClosed()["PEER_CLOSED"]
		return n > 20, fmt.Sprint(n)
	})
	observe(t, "clients that came and went", g.crowd.calm())
	settled(g)
	g.crowd.unscathed("at last")

	stream.caughtUp(g)
	own[0].caughtUp(g)
	stream.dense(own...)
	if _, n := own[0].reached(g); n < 301+40 {
		t.Errorf("%d events came; expected more than one for each client, and two for each of the churn", n)
	}

	g.stop() // the lab must notice that nothing is echoed
	if n := g.crowd.do(order{Do: doSay, Text: "stopped", Millis: 100}).Counts; slices.Max(n) != 0 {
		t.Errorf("a stopped gateway echoes")
	}
	g.signal(syscall.SIGCONT)
	if n := g.crowd.got("stopped", patience); n != 299 {
		t.Errorf("%d clients were echoed afterwards; expected 299", n)
	}
	g.kill()
	await(t, "the clients see that the gateway is gone", func() (bool, string) {
		n := len(g.crowd.do(order{Do: doEnded}).Ended)
		return n == 300, fmt.Sprint(n)
	})
}

// TestHarnessCuts holds that a machine on another switch is silent, not gone, and that a throttled cable is slow.
func TestHarnessCuts(t *testing.T) {
	scale.Long(t)
	t.Parallel()
	n := newNetwork(t)
	namespace, address := n.host()
	elsewhere, _ := n.host()
	g := &gateway{node: "alone", namespace: namespace, listen: address + ":8017"}
	g.launch(t)
	g.crowd = newCrowdIn(g, elsewhere, 10)
	g.crowd.unscathed("at first")
	n.move("right", g)
	if r := g.crowd.do(order{Do: doSay, Text: "cut off", Millis: 300}); slices.Max(r.Counts) != 0 {
		t.Errorf("echoes came from behind the cut")
	}
	n.move("left", g)
	if got := g.crowd.got("cut off", patience); got != 10 {
		t.Errorf("%d clients were echoed afterwards; expected 10", got)
	}
	n.throttle(g, "64kbit")
	begin := time.Now()
	g.crowd.unscathed(strings.Repeat("-", 4<<10)) // 10 × 4 KiB, there and back: 5 s of 64,000 bits a second each
	if took := time.Since(begin); took < 4*time.Second {
		t.Errorf("40 KiB took %s; expected more than 4s", took)
	}
	n.throttle(g, "")
	g.crowd.unscathed("at last")
}

// complaints is a test that only notes its failures.
type complaints struct {
	testing.TB
	said []string
}

func (c *complaints) Helper() {}

func (c *complaints) Errorf(format string, args ...any) {
	c.said = append(c.said, fmt.Sprintf(format, args...))
}

// TestHarnessWatch holds that a watch complains of a stream that is not dense or not in order.
func TestHarnessWatch(t *testing.T) {
	t.Parallel()
	connected, joined := pb.EventType_EVENT_TYPE_CONNECTED, pb.EventType_EVENT_TYPE_NODE_JOINED
	sees := func(of ...any) *watch { // sequences, and gaps as [2]int
		w := &watch{name: "a watch", lives: make(map[string]*life), since: map[string]uint64{"a 1": 1}}
		for _, x := range of {
			e := &pb.Event{Node: "a", Incarnation: "1", Type: connected}
			switch x := x.(type) {
			case int:
				e.Sequence = uint64(x)
			case pb.EventType:
				e.Type, e.Sequence = x, 3
			case [2]int:
				e.Type, e.Details = pb.EventType_EVENT_TYPE_GAP,
					&pb.Event_Gap{Gap: &pb.GapDetails{From: uint64(x[0]), To: uint64(x[1])}}
			}
			w.take(e)
		}
		return w
	}
	for _, c := range []struct {
		name     string
		own      *watch
		stream   *watch
		expected string
	}{
		{"all", sees(1, 2, 3, 4), sees(2, 3, 4), ""},
		{"a late beginning", sees(1, 2, 3, 4), sees(3, 4), "silently: [2]"},
		{"a gap", sees(1, 2, 3, 4), sees(1, [2]int{2, 3}, 4), ""},
		{"another's event about nodes", sees(1, 2, joined, 4), sees(1, 2, 4), ""},
		{"a hole", sees(1, 2, 3, 4), sees(1, 2, 4), "silently: [3]"},
		{"a gap that is too small", sees(1, 2, 3, 4), sees(1, [2]int{2, 2}, 4), "silently: [3]"},
		{"twice", sees(1, 2, 3), sees(1, 2, 2, 3), "event 2 came behind 2"},
		{"backwards", sees(1, 2, 3), sees(1, 3, 2), "event 2 came behind 3"},
		{"nothing", sees(1, 2, 3), sees(), "say nothing of a 1"},
		{"a hole in its own", sees(1, 3), sees(1, 3), "passes over event 2 silently"},
	} {
		said := &complaints{}
		c.stream.t = said
		c.stream.dense(c.own)
		if got := strings.Join(said.said, "; "); (got == "") != (c.expected == "") || !strings.Contains(got, c.expected) {
			t.Errorf("%s: it complains %q; expected %q", c.name, got, c.expected)
		}
	}
}
