package member_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/fleettest"
)

// TestMembersSeeEachOther checks that nodes that join see each other at once, in the state that each gives itself, in
// the order of their names.
func TestMembersSeeEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop := fleettest.NewLoopback()
		b := joinMember(t, loop, "b", "200")
		b.body.live.Store(30)
		// The next event is that a joined.
		b.body.log.Append(&event.Event{Type: event.Listening, Detail: &event.ListenerDetail{}})
		time.Sleep(3 * time.Second)
		a := joinMember(t, loop, "a", "100")
		c := joinMember(t, loop, "c", "300")
		for _, n := range []*memberNode{a, b, c} {
			var names []string
			for _, m := range n.All() {
				names = append(names, m.Node)
				if m.State != live || m.Self != (m.Node == n.name) || m.Version != "v1-"+m.Node || m.JoinedAt.IsZero() ||
					m.HeardAt.IsZero() {
					t.Errorf("%s sees %+v", n.name, m)
				}
			}
			if !slices.Equal(names, []string{"a", "b", "c"}) {
				t.Errorf("%s knows %v", n.name, names)
			}
		}
		m, _ := a.Find("b")
		if m.Incarnation != "200" || m.Connections != 30 || m.Head != 2 || m.Oldest != 1 || m.Stamp < uint64(3*time.Second) ||
			m.Self {
			t.Errorf("a sees b as %+v", m)
		}
		if m, ok := a.Find("d"); ok {
			t.Errorf("a knows %+v", m)
		}
		a.expectHappened("NODE_JOINED b.200", "NODE_JOINED c.300")
		if got := c.out.count("[INFO]  node joined"); got != 2 {
			t.Errorf("the log of c has %d lines of nodes that joined; expected 2", got)
		}
	})
}

// TestMembersBeat checks that heartbeats come every 2 s, give or take a fifth, and not in step.
func TestMembersBeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop := fleettest.NewLoopback()
		spy := spyMembers(t, loop, place("a", "100"))
		joinMember(t, loop, "a", "100")
		time.Sleep(10 * time.Minute)
		beats := spy.of("beat")
		least, most := time.Hour, time.Duration(0)
		for i := 1; i < len(beats); i++ {
			between := beats[i].at.Sub(beats[i-1].at)
			least, most = min(least, between), max(most, between)
		}
		if least < 1600*time.Millisecond || least > 1700*time.Millisecond || most > 2400*time.Millisecond ||
			most < 2300*time.Millisecond {
			t.Errorf("%d heartbeats, %s to %s between them; expected 1.6 s to 2.4 s", len(beats), least, most)
		}
		if hellos := spy.of("hello"); len(hellos) != 1 {
			t.Errorf("%d Hellos; expected 1", len(hellos))
		}
	})
}

// TestMembersSilence checks that a silent node is SUSPECT after exactly 5 s and UNREACHABLE after exactly 10 s. It
// comes back when it is heard, and is forgotten after 10 min. Each change is told once.
func TestMembersSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop := fleettest.NewLoopback()
		spy := spyMembers(t, loop, place("b", "200"))
		a, b := joinMember(t, loop, "a", "100"), joinMember(t, loop, "b", "200")
		time.Sleep(time.Minute)
		loop.Cut(place("a", "100"), place("b", "200"), true)
		heard := spy.last()
		if got := a.until("b", suspect).Sub(heard); got != 5*time.Second {
			t.Errorf("b is SUSPECT after %s of silence; expected 5 s", got)
		}
		if all := a.All(); len(all) != 2 {
			t.Errorf("a expects answers of %+v", all)
		}
		if got := a.until("b", unreachable).Sub(heard); got != 10*time.Second {
			t.Errorf("b is UNREACHABLE after %s of silence; expected 10 s", got)
		}
		if d := a.lastDetail(event.NodeUnreachable); d.Silent != 10*time.Second || d.Version != "v1-b" || d.Message == "" {
			t.Errorf("the event says %+v", d)
		}
		time.Sleep(20 * time.Second)
		loop.Cut(place("a", "100"), place("b", "200"), false)
		back := a.until("b", live)
		if want := spy.last(); !back.Equal(want) {
			t.Errorf("b is back at %s; it was heard at %s", back, want)
		}
		if d := a.lastDetail(event.NodeRecovered); d.Silent != back.Sub(heard) {
			t.Errorf("it recovered after %s; it was silent for %s", d.Silent, back.Sub(heard))
		}
		b.crash()
		if got := a.until("b", 0).Sub(spy.last()); got != 10*time.Minute {
			t.Errorf("b is forgotten after %s of silence; expected 10 min", got)
		}
		a.expectHappened("NODE_JOINED b.200", "NODE_SUSPECT b.200", "NODE_UNREACHABLE b.200", "NODE_RECOVERED b.200",
			"NODE_SUSPECT b.200", "NODE_UNREACHABLE b.200", "NODE_LEFT b.200")
		if got := a.out.count("[WARN]  node is unreachable: node=b incarnation=200"); got != 2 {
			t.Errorf("the log says %d times that b is unreachable; expected 2", got)
		}
	})
}

// TestMembersShortSilence checks that a silence shorter than 5 s changes nothing, so that a link may lose a heartbeat
// now and then.
func TestMembersShortSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop := fleettest.NewLoopback()
		a := joinMember(t, loop, "a", "100")
		b := newPuppet(t, loop, "b", "200")
		for range 100 {
			b.say(live)
			time.Sleep(5*time.Second - time.Nanosecond)
		}
		a.expectHappened("NODE_JOINED b.200")
	})
}

// TestMembersLeave checks that a node that leaves is told at once and is no longer expected to answer. It is forgotten
// after 10 min without an event.
func TestMembersLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop := fleettest.NewLoopback()
		a, b := joinMember(t, loop, "a", "100"), joinMember(t, loop, "b", "200")
		b.Leave()
		at := time.Now()
		synctest.Wait()
		if got := a.state("b"); got != left {
			t.Errorf("b is %v; expected LEFT", got)
		}
		if all, known := a.All(), a.Known(); len(all) != 1 || len(known) != 2 {
			t.Errorf("a expects answers of %d nodes and knows %d; expected 1 and 2", len(all), len(known))
		}
		if got := a.until("b", 0).Sub(at); got != 10*time.Minute {
			t.Errorf("b is forgotten after %s; expected 10 min", got)
		}
		a.expectHappened("NODE_JOINED b.200", "NODE_LEFT b.200")
	})
}

// TestMembersDrain checks that draining is seen at once, and is no event of membership.
func TestMembersDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop := fleettest.NewLoopback()
		a, b := joinMember(t, loop, "a", "100"), joinMember(t, loop, "b", "200")
		own, others := b.Changed(), a.Changed()
		close(b.body.draining)
		synctest.Wait()
		if a.state("b") != draining || b.Self().State != draining {
			t.Errorf("a sees b %v, b itself %v; expected DRAINING", a.state("b"), b.Self().State)
		}
		expectClosed(t, own)
		expectClosed(t, others)
		b.crash()
		a.until("b", suspect)
		a.expectHappened("NODE_JOINED b.200", "NODE_SUSPECT b.200")
	})
}

// TestMembersRestart checks that a restart is one event, whether or not the end of the earlier life was seen. The
// earlier life's last heartbeat no longer counts.
func TestMembersRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop := fleettest.NewLoopback()
		a := joinMember(t, loop, "a", "100")
		old := newPuppet(t, loop, "b", "200")
		old.say(live)
		time.Sleep(time.Second)
		changed := a.Changed()
		fresh := newPuppet(t, loop, "b", "201")
		fresh.say(live)
		synctest.Wait()
		expectClosed(t, changed)
		old.say(live)
		old.say(left)
		synctest.Wait()
		m, _ := a.Find("b")
		if m.Incarnation != "201" || m.State != live || !m.JoinedAt.Equal(time.Now()) {
			t.Errorf("b is %+v; expected the new life", m)
		}
		a.expectHappened("NODE_JOINED b.200", "NODE_JOINED b.201")
		if d := a.lastDetail(event.NodeJoined); d.Message != "it has restarted: its life before was 200" {
			t.Errorf("the event says %q", d.Message)
		}
	})
}

// TestMembersRestartWithSmallerIncarnation checks a node that restarts with its clock set back. It counts as a new life
// once the earlier life is over or silent, and not before.
func TestMembersRestartWithSmallerIncarnation(t *testing.T) {
	for _, end := range []string{"left", "suspect"} {
		t.Run(end, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				loop := fleettest.NewLoopback()
				a := joinMember(t, loop, "a", "100")
				old, fresh := newPuppet(t, loop, "b", "fff0"), newPuppet(t, loop, "b", "ff0")
				old.say(live)
				time.Sleep(4900 * time.Millisecond)
				fresh.say(live)
				synctest.Wait()
				if m, _ := a.Find("b"); m.Incarnation != "fff0" {
					t.Errorf("b is %+v although its greater life was heard within 5 s", m)
				}
				want := []string{"NODE_JOINED b.fff0", "NODE_LEFT b.fff0", "NODE_JOINED b.ff0"}
				if end == "left" {
					old.say(left)
				} else {
					time.Sleep(100 * time.Millisecond)
					want[1] = "NODE_SUSPECT b.fff0"
				}
				synctest.Wait()
				fresh.say(left) // a node that leaves does not join
				fresh.say(live)
				synctest.Wait()
				if m, _ := a.Find("b"); m.Incarnation != "ff0" || m.State != live {
					t.Errorf("b is %+v; expected the life that there is", m)
				}
				a.expectHappened(want...)
			})
		})
	}
}

// TestMembersClockOff checks that nothing depends on wall clocks: nodes whose clocks, and so incarnations, are an hour
// off are members like others.
func TestMembersClockOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop := fleettest.NewLoopback()
		incarnation := func(off time.Duration) string { return fmt.Sprintf("%x", time.Now().Add(off).UnixMilli()) }
		early, right, late := incarnation(-time.Hour), incarnation(0), incarnation(time.Hour)
		a, b := joinMember(t, loop, "a", right), joinMember(t, loop, "b", early)
		spy := spyMembers(t, loop, place("c", late))
		c := joinMember(t, loop, "c", late)
		time.Sleep(time.Hour)
		a.expectHappened("NODE_JOINED b."+early, "NODE_JOINED c."+late)
		c.expectHappened("NODE_JOINED a."+right, "NODE_JOINED b."+early)
		c.crash()
		a.until("c", unreachable)
		synctest.Wait()
		for _, n := range []*memberNode{a, b} {
			if got := n.lastDetail(event.NodeUnreachable).Silent; got != 10*time.Second {
				t.Errorf("%s: c is UNREACHABLE after %s; expected 10 s", n.name, got)
			}
		}
		if got := time.Since(spy.last()); got != 10*time.Second {
			t.Errorf("c is UNREACHABLE after %s; expected 10 s", got)
		}
	})
}

// TestMembersCutLink checks that each node judges for itself: if one link is cut, only the nodes at its ends miss each
// other.
func TestMembersCutLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop := fleettest.NewLoopback()
		a, b, c := joinMember(t, loop, "a", "100"), joinMember(t, loop, "b", "200"), joinMember(t, loop, "c", "300")
		loop.Cut(place("a", "100"), place("b", "200"), true)
		time.Sleep(time.Minute)
		if a.state("b") != unreachable || b.state("a") != unreachable || a.state("c") != live || b.state("c") != live {
			t.Errorf("a sees b %v and c %v; b sees a %v and c %v", a.state("b"), a.state("c"), b.state("a"), b.state("c"))
		}
		c.expectHappened("NODE_JOINED a.100", "NODE_JOINED b.200")
	})
}

// TestMembersDisconnect checks a node without a connection. It sees others age as usual, and the log says why. It
// greets them when it has a connection again, and so need not wait for their next heartbeats.
func TestMembersDisconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop := fleettest.NewLoopback()
		a, b := joinMember(t, loop, "a", "100"), joinMember(t, loop, "b", "200")
		a.bus.Connect(false)
		time.Sleep(30 * time.Second)
		if a.state("b") != unreachable || b.state("a") != unreachable {
			t.Errorf("a sees b %v; b sees a %v", a.state("b"), b.state("a"))
		}
		const why = "nothing was heard of it for 5s; this node has no connection to the fleet: disconnected by the test"
		if got := a.lastDetail(event.NodeSuspect).Message; got != why {
			t.Errorf("the event says %q", got)
		}
		if d := b.lastDetail(event.NodeSuspect).Message; d != "nothing was heard of it for 5s" {
			t.Errorf("the event of b says %q", d)
		}
		a.bus.Connect(true)
		at := time.Now()
		if got := b.until("a", live).Sub(at); got != 0 {
			t.Errorf("b hears of a after %s", got)
		}
		if got := a.until("b", live).Sub(at); got > 250*time.Millisecond {
			t.Errorf("a hears of b after %s", got)
		}
		if a.out.count("[WARN]  no connection to the fleet") != 1 || a.out.count("[INFO]  connected to the fleet") != 1 {
			t.Errorf("the log of a:\n%s", a.out.b.String())
		}
	})
}

// TestMembersStopped checks a process that was stopped and has not heard the others. It calls none of them silent for
// that, but they call it silent.
func TestMembersStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop := fleettest.NewLoopback()
		a, b := joinMember(t, loop, "a", "100", stoppable), joinMember(t, loop, "b", "200")
		for range 20 {
			time.Sleep(7 * time.Second)
			a.body.pause.stop()
			loop.Cut(place("a", "100"), place("b", "200"), true) // messages that come meanwhile are lost
			began := time.Now()
			time.Sleep(15 * time.Second)
			loop.Cut(place("a", "100"), place("b", "200"), false)
			a.body.pause.resume()
			synctest.Wait()
			if m, _ := a.Find("b"); m.HeardAt.After(began) || m.State != live {
				t.Errorf("a sees b as %+v; it was stopped at %s", m, began)
			}
			b.until("a", live)
		}
		a.expectHappened("NODE_JOINED b.200")
		if got := a.out.count("this process was stopped"); got != 20 {
			t.Errorf("the log says %d times that the process was stopped; expected 20", got)
		}
		if got := len(b.happened()); got != 1+20*3 {
			t.Errorf("b says %d events; expected that a was SUSPECT, UNREACHABLE and back 20 times", got)
		}
		b.crash()
		a.until("b", unreachable)
	})
}

// TestMembersStoppedBesideSilence checks that a stop excuses only its own time: a node that is silent before it and
// after it is called silent.
func TestMembersStoppedBesideSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop := fleettest.NewLoopback()
		a := joinMember(t, loop, "a", "100", stoppable)
		newPuppet(t, loop, "b", "200").say(live)
		heard := time.Now()
		time.Sleep(4 * time.Second)
		a.body.pause.stop()
		time.Sleep(20 * time.Second)
		a.body.pause.resume()
		// The last tick was up to half a second before the stop, and counts with it.
		if got := a.until("b", suspect).Sub(heard); got < 25*time.Second-500*time.Millisecond ||
			got > 25*time.Second+500*time.Millisecond {
			t.Errorf("b is SUSPECT after %s; expected 20 s of stop and 5 s of silence", got)
		}
	})
}

// TestMembersForget checks that Forget removes a node that is UNREACHABLE or has LEFT, and no other. A node that is
// heard again is back.
func TestMembersForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop := fleettest.NewLoopback()
		a := joinMember(t, loop, "a", "100")
		b, c := newPuppet(t, loop, "b", "200"), newPuppet(t, loop, "c", "300")
		b.say(live)
		c.say(live)
		synctest.Wait()
		expectProblem(t, a, "b", "FailedPrecondition NODE_LIVE")
		a.until("b", suspect)
		expectProblem(t, a, "b", "FailedPrecondition NODE_LIVE")
		expectProblem(t, a, "a", "FailedPrecondition NODE_LIVE")
		expectProblem(t, a, "d", "NotFound UNKNOWN_NODE")
		c.say(left)
		a.until("b", unreachable)
		for _, name := range []string{"b", "c"} {
			changed := a.Changed()
			m, err := a.Forget(name)
			if err != nil || m.Node != name {
				t.Errorf("forgetting %s: %+v, %v", name, m, err)
			}
			expectClosed(t, changed)
			expectProblem(t, a, name, "NotFound UNKNOWN_NODE")
		}
		if known := a.Known(); len(known) != 1 {
			t.Errorf("a knows %+v", known)
		}
		c.say(left) // it is no longer known
		b.say(live)
		synctest.Wait()
		a.expectHappened("NODE_JOINED b.200", "NODE_JOINED c.300", "NODE_SUSPECT b.200", "NODE_SUSPECT c.300",
			"NODE_LEFT c.300",
			"NODE_UNREACHABLE b.200", "NODE_LEFT b.200", "NODE_JOINED b.200")
	})
}

// TestMembersRestless checks a node that restarts, or leaves and comes back, all the time. It does not push the events
// of others out, and is not forgotten for it.
func TestMembersRestless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop := fleettest.NewLoopback()
		a := joinMember(t, loop, "a", "100")
		b, c := newPuppet(t, loop, "b", "200"), newPuppet(t, loop, "c", "300")
		for i := range 1000 { // a new life each time
			b.said.Incarnation = fmt.Sprint(1000 + i)
			b.say(live)
		}
		for range 1000 { // the same life
			c.say(live)
			c.say(left)
		}
		synctest.Wait()
		if n := len(a.happened()); n > 2*11 {
			t.Errorf("%d events; expected each node to join, and to change 10 times", n)
		}
		if n := a.out.count("too often"); n != 1 {
			t.Errorf("%d lines of the log say so", n)
		}
		time.Sleep(2 * time.Second)
		b.said.Incarnation = "5000"
		b.say(draining)
		c.say(live)
		synctest.Wait()
		if m, _ := a.Find("b"); m.Incarnation != "5000" || m.State != draining || a.state("c") != live {
			t.Errorf("later on b is seen as %+v, c as %v", m, a.state("c"))
		}
	})
}

// expectProblem checks that a node cannot be forgotten.
func expectProblem(t *testing.T, n *memberNode, name, want string) {
	t.Helper()
	_, err := n.Forget(name)
	var p interface {
		Problem() (code codes.Code, reason, field string, metadata map[string]string)
	}
	if !errors.As(err, &p) {
		t.Fatalf("forgetting %s: %v; expected a problem", name, err)
	}
	code, reason, field, metadata := p.Problem()
	if got := code.String() + " " + reason; got != want || field != "node" || metadata["node"] != name {
		t.Errorf("forgetting %s: %s of %s, %v (%v); expected %s", name, got, field, metadata, err, want)
	}
}

// expectClosed checks that a change woke the goroutines that wait for it.
func expectClosed(t *testing.T, changed <-chan struct{}) {
	t.Helper()
	select {
	case <-changed:
	default:
		t.Error("who waits for a change was not told")
	}
}
