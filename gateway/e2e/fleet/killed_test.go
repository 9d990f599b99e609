//go:build linux

package fleet

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/e2e/internal/scale"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestKilled kills one of three nodes while others broadcast and clients come and go everywhere, and starts it again.
// No reply claims an outcome that did not happen. The other nodes lose nothing. The new incarnation has nothing of the
// old one.
func TestKilled(t *testing.T) {
	scale.Long(t)
	t.Parallel()
	l := newFleet(t, embedded, 3, *connections/5)
	a, b, c := l.gateways[0], l.gateways[1], l.gateways[2]
	own, stream := followOwn(a, b, c), follow(a, l.gateways)
	id := c.connection(0)
	for _, g := range l.gateways {
		g.crowd.churn(50)
	}
	shouts := newShouts(a, b)
	await(t, "broadcasts are under way", func() (bool, string) { return len(shouts.said()) > 10, "" })

	c.kill()
	killed := time.Now()
	observe(t, "until a broadcast's reply named the killed node", shouts.incomplete(killed))
	observe(t, "until its clients knew, at most", await(t, "the clients know", func() (bool, string) {
		n := len(c.crowd.do(order{Do: doEnded}).Ended)
		return n == c.crowd.expected(), fmt.Sprint(n)
	}))
	observe(t, "until NODE_SUSPECT", stream.member("SUSPECT", "node-3", killed))
	if got := a.state("node-3"); got != "SUSPECT" && got != "UNREACHABLE" {
		t.Errorf("node-3 is %s", got)
	}
	observe(t, "until NODE_UNREACHABLE", stream.member("UNREACHABLE", "node-3", killed))
	if got, f := a.kick(id, nil); got != "NODE_UNREACHABLE" || !slices.Equal(missing(f), []string{"node-3 UNREACHABLE"}) {
		t.Errorf("the kick of a connection of the killed node: %s, %v", got, f)
	}
	if w := b.list(nil); !slices.Equal(w.missing, []string{"node-3 UNREACHABLE"}) {
		t.Errorf("the list is without %v", w.missing)
	}
	l.ctl(3, "node-3", a, "list")
	shouts.stop()
	a.crowd.calm()
	b.crowd.calm()
	c.crowd.do(order{Do: doCalm})
	settled(a, b)
	unscathed("without node-3", a, b)
	checkShouts(t, shouts, a, b)

	c.launch(t)
	observe(t, "until all were together again, from its start", l.together(a, b, c))
	stream.member("JOINED", "node-3", killed)
	if got, _ := a.kick(id, nil); got != "NODE_RESTARTED" {
		t.Errorf("the kick of a connection of the first life: %s", got)
	}
	c.crowd = newCrowd(c, 50)
	l.sameEverywhere(a, b, c)
	own = append(own, followOwn(c)...)
	stream.caughtUp(a, b, c)
	stream.dense(own...)
}

// checkShouts holds that every broadcast came once to every client of gateways that stayed, and that the reply counted
// them so.
func checkShouts(t *testing.T, s *shouts, gateways ...*gateway) {
	t.Helper()
	for _, x := range s.said() {
		for _, g := range gateways {
			if n := g.crowd.got(x.line, patience); n != g.crowd.expected() {
				t.Errorf("%q came to %d standing clients of %s; expected %d; the reply: %v", x.line, n, g.node, g.crowd.expected(),
					x.reply)
			}
			if n := counted(x.reply.GetFleet(), g.node, "matched"); int(n) < g.crowd.expected() {
				t.Errorf("%q: %s counted %d; expected its %d standing clients and maybe others", x.line, g.node, n,
					g.crowd.expected())
			}
		}
	}
	observe(t, "broadcasts meanwhile, each of them at every client of the others once", len(s.said()))
}

// shouts are broadcasts through several gateways, one after the other through each, until stop.
type shouts struct {
	t     testing.TB
	stops chan struct{}
	all   sync.WaitGroup

	mu   sync.Mutex
	kept []shout
}

// shout is one broadcast and its reply.
type shout struct {
	line  string
	asked time.Time
	came  time.Time // when the reply came
	reply *pb.BroadcastResponse
}

func newShouts(gateways ...*gateway) *shouts {
	s := &shouts{t: gateways[0].t, stops: make(chan struct{})}
	for _, g := range gateways {
		s.all.Go(func() { s.run(g) })
	}
	s.t.Cleanup(s.stop)
	return s
}

// run broadcasts every 50 ms, or as fast as the replies come.
func (s *shouts) run(g *gateway) {
	for pace := time.NewTicker(50 * time.Millisecond); ; {
		select {
		case <-s.stops:
			pace.Stop()
			return
		case <-pace.C:
		}
		x := shout{asked: time.Now()}
		s.mu.Lock()
		x.line = fmt.Sprintf("shout %s %d", g.node, len(s.kept))
		s.mu.Unlock()
		var err error
		x.reply, err = g.client.Broadcast(briefly(s.t),
			&pb.BroadcastRequest{Data: []byte(x.line + "\n"), Scope: within(time.Second)})
		if err != nil {
			s.t.Errorf("%s: %v", x.line, err)
			return
		}
		x.came = time.Now()
		s.mu.Lock()
		s.kept = append(s.kept, x)
		s.mu.Unlock()
	}
}

func (s *shouts) stop() {
	select {
	case <-s.stops:
	default:
		close(s.stops)
	}
	s.all.Wait()
}

func (s *shouts) said() []shout {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.kept)
}

// incomplete waits for the first reply to a broadcast after a moment that is not complete, and returns how long after
// it the reply came.
func (s *shouts) incomplete(since time.Time) time.Duration {
	s.t.Helper()
	return s.first("a reply that is not complete", since, false)
}

// complete is incomplete for a reply that is complete.
func (s *shouts) complete(since time.Time) time.Duration {
	s.t.Helper()
	return s.first("a reply that is complete", since, true)
}

func (s *shouts) first(what string, since time.Time, complete bool) (after time.Duration) {
	s.t.Helper()
	await(s.t, what, func() (bool, string) {
		for _, x := range s.said() {
			if x.asked.After(since) && x.reply.GetFleet().GetComplete() == complete {
				after = x.came.Sub(since)
				return true, ""
			}
		}
		return false, ""
	})
	return after
}
