//go:build linux

package fleet

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/e2e/internal/program"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestTogether holds that three gateways answer as one, through each of them, over embedded servers and over an
// external one.
func TestTogether(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{embedded, external} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			l := newFleet(t, mode, 3, *connections)
			own, streams := followOwn(l.gateways...), []*watch(nil)
			for _, g := range l.gateways {
				streams = append(streams, follow(g, l.gateways))
			}
			unscathed("at first", l.gateways...)
			l.sameEverywhere(l.gateways...)
			listed(l)
			everyPair(l)
			broadcasts(l)
			l.sameEverywhere(l.gateways...)
			unscathed("at last", l.gateways...)
			for _, s := range streams {
				s.caughtUp(l.gateways...)
				s.whole(own...)
			}
			if got, want := strings.Fields(l.ctl(0, "", l.gateways[0], "list", "-o", "name")),
				locals(l.gateways...); !slices.Equal(got, want) {
				t.Errorf("ctl lists %d connections; expected %d: %s", len(got), len(want), difference(got, want))
			}
		})
	}
}

// listed walks through a whole list as a caller does. It notes how long that takes, and compares the list with the
// clients.
func listed(l *lab) {
	l.t.Helper()
	begin := time.Now()
	w := l.gateways[1].list(nil)
	observe(l.t, fmt.Sprintf("list of %d connections, %d pages", len(w.rows), w.pages), time.Since(begin))
	have := make(map[string]bool)
	for _, c := range w.rows {
		have[c.GetNode()+" "+c.GetRemoteAddress()] = true
	}
	clients := 0
	for _, g := range l.gateways {
		for _, a := range g.crowd.addresses {
			if clients++; !have[g.node+" "+a] {
				l.t.Errorf("the client %s of %s is not in the list", a, g.node)
			}
		}
	}
	if clients != len(w.rows) {
		l.t.Errorf("%d connections are listed; expected those of %d clients", len(w.rows), clients)
	}
}

// everyPair has each gateway send to one connection of each gateway, and kick it. The client gets the line or the end
// that the reply tells of, and no other client gets the line.
func everyPair(l *lab) {
	l.t.Helper()
	var sends, kicks []time.Duration
	for i, from := range l.gateways {
		for j, to := range l.gateways {
			victim := 10*i + j
			id, line := to.connection(victim), fmt.Sprintf("from %s to %s", from.node, to.node)
			begin := time.Now()
			if got := from.send(id, line, nil); got != "WRITTEN" {
				l.t.Errorf("%s: %s", line, got)
			}
			sends = append(sends, time.Since(begin))
			await(l.t, line, func() (bool, string) {
				n := to.crowd.do(order{Do: doGot, Text: line}).Counts[victim]
				return n == 1, fmt.Sprintf("client %d has it %d times", victim, n)
			})
			begin = time.Now()
			if got, f := from.kick(id, nil); got != "KICKED" || len(missing(f)) > 0 {
				l.t.Errorf("kick %s: %s %v", line, got, f)
			}
			kicks = append(kicks, time.Since(begin))
			to.crowd.awaitEnd(victim)
			if got, _ := from.kick(id, nil); got != "CLOSED" {
				l.t.Errorf("a second kick %s: %s", line, got)
			}
		}
	}
	for _, g := range l.gateways {
		for _, from := range l.gateways {
			if n := g.crowd.got(fmt.Sprintf("from %s to %s", from.node, g.node), 0); n != 1 {
				l.t.Errorf("what was sent from %s to one client of %s came to %d", from.node, g.node, n)
			}
		}
	}
	observe(l.t, "send to one connection, median of every pair of nodes", median(sends))
	observe(l.t, "kick of one connection, median of every pair of nodes", median(kicks))
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

// broadcasts has each gateway broadcast once. Its counts, in all and for each node, are those of the lines that the
// clients got.
func broadcasts(l *lab) {
	l.t.Helper()
	for _, from := range l.gateways {
		line := "to all from " + from.node
		begin := time.Now()
		r := from.broadcast(line, nil)
		observe(l.t, line, time.Since(begin))
		all := 0
		for _, g := range l.gateways {
			got := g.crowd.got(line, patience)
			all += got
			if n := counted(r.GetFleet(), g.node, "matched"); got != g.crowd.expected() || int(n) != got {
				l.t.Errorf("%s: %d clients of %s got it, and the reply counts %d; expected %d", line, got, g.node, n,
					g.crowd.expected())
			}
		}
		if !r.GetFleet().GetComplete() || int(r.GetMatched()) != all || r.GetWritten()+r.GetQueued() != r.GetMatched() {
			l.t.Errorf("%s: %d got it; the reply is %v", line, all, r)
		}
	}
}

// counted is one count of a node's result.
func counted(f *pb.FleetResult, node, what string) uint64 {
	for _, n := range f.GetNodes() {
		if n.GetNode() == node {
			return n.GetCounts()[what]
		}
	}
	return 0
}

// ctl runs the command line against a gateway, expects an exit code and words on standard error, and returns standard
// output.
func (l *lab) ctl(code int, says string, g *gateway, args ...string) string {
	l.t.Helper()
	c := exec.CommandContext(briefly(l.t), program.Build(l.t, program.Ctl),
		append([]string{"--gateway", "unix://" + g.socket}, args...)...)
	var out, problems strings.Builder
	c.Stdout, c.Stderr = &out, &problems
	err := c.Run()
	if c.ProcessState == nil || c.ProcessState.ExitCode() != code || !strings.Contains(problems.String(), says) {
		l.t.Errorf("ctl %s: %v; expected exit code %d; it says %q; expected %q", strings.Join(args, " "), err, code,
			problems.String(), says)
	}
	return out.String()
}
