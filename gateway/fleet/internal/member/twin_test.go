package member_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockgate/sockgate/gateway/bus"
	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/fleettest"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
)

// expectTwin joins and checks that a twin has the name.
func expectTwin(t *testing.T, n *memberNode, incarnation string) {
	t.Helper()
	var twin *member.TwinError
	if err := n.Join(t.Context()); !errors.As(err, &twin) || *twin != (member.TwinError{Node: n.name,
		Incarnation: incarnation, Fleet: "test"}) {
		t.Fatalf("%s joined: %v; expected a TwinError with incarnation %s", n.name, err, incarnation)
	}
}

// TestTwinAtStart checks that a node does not start if another live one has its name, whichever is older, and does not
// disturb it.
func TestTwinAtStart(t *testing.T) {
	for _, incarnation := range []string{"101", "ff"} {
		t.Run(incarnation, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				loop := fleettest.NewLoopback()
				spy := spyMembers(t, loop, place("a", incarnation))
				other, first := joinMember(t, loop, "b", "200"), joinMember(t, loop, "a", "100")
				time.Sleep(time.Minute)
				second := newMember(t, loop, "a", incarnation)
				began := time.Now()
				expectTwin(t, second, "100")
				if took := time.Since(began); took > 300*time.Millisecond {
					t.Errorf("it took %s to refuse", took)
				}
				second.Leave()
				time.Sleep(time.Minute)
				if beats := spy.of("beat"); len(beats) != 0 {
					t.Errorf("the second said %v", beats)
				}
				if first.Self().State != live {
					t.Errorf("the first is %v", first.Self().State)
				}
				first.expectHappened("NODE_JOINED b.200")
				other.expectHappened("NODE_JOINED a.100")
			})
		})
	}
}

// TestTwinNone checks that a node that has its name alone joins after it has listened for a second. The last heartbeat
// of its own earlier life is no twin.
func TestTwinNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop := fleettest.NewLoopback()
		joinMember(t, loop, "b", "200")
		a := newMember(t, loop, "a", "100")
		old := newPuppet(t, loop, "a", "ff")
		go func() {
			time.Sleep(time.Second / 2)
			old.say(left)
		}()
		if took, err := a.joinsWithin(t.Context()); took != time.Second || err != nil {
			t.Errorf("a joined after %s: %v; expected 1 s", took, err)
		}
		old.say(left)
		synctest.Wait()
		a.expectHappened("NODE_JOINED b.200")
	})
}

// TestTwinsTogether checks two nodes of one name that start at about the same time. The older goes on and the other
// does not start. If the first has joined before it hears the other, that comes too late.
func TestTwinsTogether(t *testing.T) {
	for _, between := range []time.Duration{0, time.Nanosecond, time.Millisecond, 500 * time.Millisecond,
		999 * time.Millisecond} {
		for _, order := range [][2]string{{"100", "101"}, {"101", "100"}} {
			t.Run(order[0]+" first by "+between.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					loop := fleettest.NewLoopback()
					loop.Delay(place("a", "100"), 10*time.Millisecond)
					loop.Delay(place("a", "101"), 10*time.Millisecond)
					var errs [2]error
					nodes := [2]*memberNode{newMember(t, loop, "a", order[0]), newMember(t, loop, "a", order[1])}
					done := make(chan struct{})
					go func() {
						defer close(done)
						errs[0] = nodes[0].Join(t.Context())
					}()
					time.Sleep(between)
					errs[1] = nodes[1].Join(t.Context())
					<-done
					time.Sleep(10 * time.Second)
					for i, n := range nodes {
						var twin *member.TwinError
						stays := order[i] == "100"
						if between > 990*time.Millisecond {
							stays = i == 0
						}
						if refused := errors.As(errs[i], &twin); refused == stays || stays && (errs[i] != nil || n.Self().State != live) {
							t.Errorf("%s: %v, %v", order[i], errs[i], n.Self().State)
						}
						n.expectHappened()
					}
				})
			})
		}
	}
}

// TestTwinsOfOneIncarnation checks that two that began in the same millisecond are told apart.
func TestTwinsOfOneIncarnation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop := fleettest.NewLoopback()
		a, other := newMember(t, loop, "a", "100"), newPuppet(t, loop, "a", "100")
		for _, least := range []bool{false, true} {
			fill := byte(255) // greater than a drawn one, except once in 2^128
			if least {
				fill = 0
			}
			other.said.Instance = bytes.Repeat([]byte{fill}, 16)
			joined := make(chan error, 1)
			go func() { joined <- a.Join(t.Context()) }()
			time.Sleep(time.Millisecond)
			other.hello()
			if err := <-joined; (err != nil) != least {
				t.Errorf("with the lesser instance %t: %v", !least, err)
			}
			a.Leave()
			a = newMember(t, loop, "a", "100")
		}
	})
}

// TestTwinBehindLateRoute checks an embedded server, whose routes may come up after its connection. The node repeats
// its Hello for 2 s, so that it finds a twin that was out of reach at first.
func TestTwinBehindLateRoute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop := fleettest.NewLoopback()
		joinMember(t, loop, "a", "100", embedded)
		time.Sleep(time.Minute)
		second := newMember(t, loop, "a", "101", embedded)
		loop.Cut(place("a", "100"), place("a", "101"), true)
		go func() {
			time.Sleep(1300 * time.Millisecond)
			loop.Cut(place("a", "100"), place("a", "101"), false)
		}()
		expectTwin(t, second, "100")
		third := newMember(t, loop, "b", "200", embedded)
		if took, err := third.joinsWithin(t.Context()); took != 2*time.Second || err != nil {
			t.Errorf("b joined after %s: %v; expected 2 s", took, err)
		}
	})
}

// TestTwinsMeet checks two parts of a fleet that meet and each have a node of one name. The older leaves: it announces
// that, neither hears nor publishes anything more, and calls all others UNREACHABLE. The younger stays.
func TestTwinsMeet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop := fleettest.NewLoopback()
		places := []string{place("a", "100"), place("a", "101"), place("b", "200"), place("c", "300")}
		split := func(cut bool) { // a.100 and b on one side, a.101 and c on the other
			for _, link := range [][2]int{{0, 1}, {0, 3}, {2, 1}, {2, 3}} {
				loop.Cut(places[link[0]], places[link[1]], cut)
			}
		}
		split(true)
		spy := spyMembers(t, loop, places[0])
		b, c := joinMember(t, loop, "b", "200"), joinMember(t, loop, "c", "300")
		older, younger := joinMember(t, loop, "a", "100"), joinMember(t, loop, "a", "101")
		time.Sleep(time.Minute)
		split(false)
		time.Sleep(5 * time.Second)

		if got := older.Self().State; got != displaced {
			t.Fatalf("the older is %v; expected DISPLACED", got)
		}
		if older.state("b") != unreachable || len(older.All()) < 2 {
			t.Errorf("the older sees %+v", older.All())
		}
		if d := older.lastDetail(event.NodeLeft); d.Node.Node != "a" || d.Node.Incarnation != "100" ||
			!strings.Contains(d.Message, "incarnation 101") {
			t.Errorf("the older says of itself %+v", d)
		}
		if older.out.count("[ERROR]") != 1 || older.out.count("incarnation=100 other-incarnation=101") != 1 {
			t.Errorf("the log of the older:\n%s", older.out.b.String())
		}
		said := len(spy.of("beat")) + len(spy.of("hello"))
		c.bus.Connect(false)
		c.bus.Connect(true) // a Hello
		time.Sleep(time.Hour)
		older.bus.Connect(false)
		older.bus.Connect(true)
		older.Leave()
		if got := len(spy.of("beat")) + len(spy.of("hello")); got != said {
			t.Errorf("the older said %d times more", got-said)
		}
		if older.state("b") != unreachable || older.Self().State != displaced {
			t.Errorf("after an hour the older sees b %v and itself %v", older.state("b"), older.Self().State)
		}

		if younger.Self().State != live || younger.state("b") != live || younger.state("c") != live {
			t.Errorf("the younger is %v and sees b %v, c %v", younger.Self().State, younger.state("b"), younger.state("c"))
		}
		if got := younger.out.count("[WARN]  another live node has this node's name and is older"); got != 1 {
			t.Errorf("the log of the younger says %d times that it stays; expected once", got)
		}
		if got := b.happened(); len(got) != 3 || !slices.Contains(got, "NODE_JOINED a.101") || !slices.Contains(got,
			"NODE_JOINED c.300") {
			t.Errorf("events of b: %v", got)
		}
		if m, _ := b.Find("a"); m.Incarnation != "101" || m.State != live {
			t.Errorf("b sees %+v", m)
		}
	})
}

// TestTwinThatDoesNotLeave checks that the younger of two that have met lets the other hear of it at once. It logs once
// that it stays, however long the other takes.
func TestTwinThatDoesNotLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop := fleettest.NewLoopback()
		spy := spyMembers(t, loop, place("a", "100"))
		a, older := joinMember(t, loop, "a", "100"), newPuppet(t, loop, "a", "ff")
		time.Sleep(time.Minute)
		for range 10 {
			older.say(live)
			at := time.Now()
			time.Sleep(250 * time.Millisecond)
			if got := spy.last(); got.Before(at.Add(-time.Nanosecond)) {
				t.Errorf("the last heartbeat was %s before that of the twin", at.Sub(got))
			}
		}
		if got := a.out.count("has this node's name and is older"); got != 1 || a.Self().State != live {
			t.Errorf("the log says %d times that a stays, which is %v", got, a.Self().State)
		}
		a.expectHappened()
	})
}

// connecting makes a node's bus look like one whose first attempt to connect is still under way.
func connecting(_ *memberNode, b bus.Bus) bus.Bus {
	return &statusBus{Bus: b, change: func(s *bus.Status) { s.Connecting = !s.Connected }}
}

func same(_ *memberNode, bus bus.Bus) bus.Bus { return bus }

// TestJoinWithoutConnection checks that Join does not wait for a connection that the bus could not make, and waits 2 s
// for one that it may still make. The node joins when there is one.
func TestJoinWithoutConnection(t *testing.T) {
	for _, c := range []struct {
		name string
		wrap func(*memberNode, bus.Bus) bus.Bus
		want time.Duration
	}{{"refused", same, 0}, {"connecting", connecting, 2 * time.Second}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				loop := fleettest.NewLoopback()
				b := joinMember(t, loop, "b", "200")
				a := newMember(t, loop, "a", "100", c.wrap)
				a.bus.Connect(false)
				if took, err := a.joinsWithin(t.Context()); took != c.want || err != nil {
					t.Errorf("a joined after %s: %v; expected %s", took, err, c.want)
				}
				time.Sleep(time.Minute)
				if all := a.All(); len(all) != 1 || all[0].State != live || a.out.count("no connection to the fleet") != 1 {
					t.Errorf("alone, a sees %+v, and logs\n%s", all, a.out.b.String())
				}
				a.bus.Connect(true)
				at := time.Now()
				if got := b.until("a", live).Sub(at); got != 0 {
					t.Errorf("b hears of a after %s", got)
				}
				if got := a.until("b", live).Sub(at); got > 250*time.Millisecond {
					t.Errorf("a hears of b after %s", got)
				}
			})
		})
	}
}

// TestJoinWithLateConnection checks that a connection that comes within the 2 s is used as if it had been there, as far
// as the time allows.
func TestJoinWithLateConnection(t *testing.T) {
	for after, want := range map[time.Duration]time.Duration{300 * time.Millisecond: 1300 * time.Millisecond,
		1500 * time.Millisecond: 2 * time.Second} {
		t.Run(after.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				loop := fleettest.NewLoopback()
				a, twin := newMember(t, loop, "a", "100", connecting), newMember(t, loop, "a", "101", connecting)
				a.bus.Connect(false)
				twin.bus.Connect(false)
				go func() { time.Sleep(after); a.bus.Connect(true) }()
				if took, err := a.joinsWithin(t.Context()); took != want || err != nil {
					t.Errorf("a joined after %s: %v; expected %s", took, err, want)
				}
				time.Sleep(time.Second)
				go func() { time.Sleep(after); twin.bus.Connect(true) }()
				expectTwin(t, twin, "100")
			})
		})
	}
}

// TestJoinCancelled checks that Join ends with its context and leaves nothing behind.
func TestJoinCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop := fleettest.NewLoopback()
		a := newMember(t, loop, "a", "100")
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if took, err := a.joinsWithin(ctx); took != 300*time.Millisecond || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Join returned %v after %s", err, took)
		}
	})
}
