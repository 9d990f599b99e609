package member_test

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockgate/sockgate/gateway/fleet/fleettest"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	fleetv1 "github.com/sockgate/sockgate/gen/sockgate/fleet/v1"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestMembersThousand checks a thousand members. Each is seen. A joining node is answered within 100 ms, but not by all
// at once. Each change is told once.
func TestMembersThousand(t *testing.T) {
	const many = 1000
	synctest.Test(t, func(t *testing.T) {
		loop := fleettest.NewLoopback()
		spy := spyMembers(t, loop, place("a", "100"))
		a := joinMember(t, loop, "a", "100")
		puppets := make([]*puppet, many)
		for i := range puppets {
			puppets[i] = newPuppet(t, loop, fmt.Sprintf("n-%03d", i), "200")
			puppets[i].say(live)
		}
		synctest.Wait()
		if all := a.All(); len(all) != many+1 || !all[0].Self || all[1].Node != "n-000" || all[many].Node != "n-999" {
			t.Fatalf("a sees %d members", len(all))
		}
		late := map[time.Duration]bool{}
		for range 20 {
			time.Sleep(time.Second)
			before := len(spy.of("beat"))
			at := time.Now()
			puppets[0].hello()
			time.Sleep(100 * time.Millisecond)
			beats := spy.of("beat")
			if len(beats) == before && at.Sub(beats[before-1].at) > 250*time.Millisecond {
				t.Errorf("no heartbeat within 100 ms after a Hello")
			}
			late[beats[len(beats)-1].at.Sub(at)] = true
			for _, p := range puppets {
				p.say(live)
			}
		}
		if len(late) < 10 {
			t.Errorf("heartbeats come after %v; expected that they are spread", late)
		}
		heard := time.Now()
		a.until("n-500", unreachable)
		synctest.Wait()
		if got := time.Since(heard); got != 10*time.Second {
			t.Errorf("UNREACHABLE after %s", got)
		}
		if got := len(a.happened()); got != 3*many {
			t.Errorf("%d events; expected %d", got, 3*many)
		}
	})
}

// TestHelloFlood checks that endless Hellos are answered at most four times a second.
func TestHelloFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop := fleettest.NewLoopback()
		spy := spyMembers(t, loop, place("a", "100"))
		joinMember(t, loop, "a", "100")
		b := newPuppet(t, loop, "b", "200")
		before := len(spy.of("beat"))
		for range 10_000 {
			b.hello()
			time.Sleep(time.Millisecond)
		}
		if got := len(spy.of("beat")) - before; got < 38 || got > 41 {
			t.Errorf("%d heartbeats in 10 s; expected 40", got)
		}
	})
}

// TestMembersBound checks the bound of a fleet. Nodes beyond it are not added, and the log says so. There is room again
// when others are forgotten.
func TestMembersBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop := fleettest.NewLoopback()
		a := joinMember(t, loop, "a", "100")
		p := newPuppet(t, loop, "n", "200")
		for i := range member.MostMembers + 5 {
			p.name = fmt.Sprintf("n-%d", i)
			p.say(live)
		}
		synctest.Wait()
		if got := len(a.Known()); got != member.MostMembers {
			t.Errorf("a knows %d members; expected %d", got, member.MostMembers)
		}
		if got := a.out.count("[WARN]  a node is not taken in"); got != 1 {
			t.Errorf("the log says %d times that a node was not taken in; expected once", got)
		}
		p.name = "n-7"
		p.say(left)
		synctest.Wait()
		if _, err := a.Forget("n-7"); err != nil {
			t.Error(err)
		}
		p.name = "another"
		p.say(live)
		synctest.Wait()
		if got := a.state("another"); got != live {
			t.Errorf("the next is %v although there is room", got)
		}
	})
}

// TestHeartbeatGarbage checks that a message that cannot be read changes nothing, and is logged at most once a second.
func TestHeartbeatGarbage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop := fleettest.NewLoopback()
		a := joinMember(t, loop, "a", "100")
		bus := loop.Bus("garbage")
		instance := bytes.Repeat([]byte{1}, 16)
		beats := []*fleetv1.Heartbeat{
			{},
			{Incarnation: "X", Instance: instance, State: live},
			{Incarnation: "12345678123456781", Instance: instance, State: live},
			{Incarnation: "100", Instance: instance[:15], State: live},
			{Incarnation: "100", Instance: append(instance, 1), State: live},
			{Incarnation: "100", Instance: instance, State: pb.NodeState_NODE_STATE_UNSPECIFIED},
			{Incarnation: "100", Instance: instance, State: suspect},
			{Incarnation: "100", Instance: instance, State: displaced},
		}
		for range 10 {
			for _, b := range beats {
				publish(t, bus, "sockgate.test.beat.b", b)
			}
			for _, subject := range []string{"sockgate.test.beat.b", "sockgate.test.beat.B", "sockgate.test.hello.b"} {
				if err := bus.Publish(subject, []byte("garbage")); err != nil {
					t.Fatal(err)
				}
			}
			publish(t, bus, "sockgate.test.beat._all", &fleetv1.Heartbeat{Incarnation: "1", Instance: instance, State: live})
			time.Sleep(time.Second / 2)
		}
		if known := a.Known(); len(known) != 1 {
			t.Errorf("a knows %+v", known)
		}
		if got := a.out.count("cannot be read"); got != 5 {
			t.Errorf("the log has %d lines of garbage; expected 5 in 5 s", got)
		}
		if got := a.out.count("not-logged="); got != 4 {
			t.Errorf("%d lines say how much more there was; expected 4", got)
		}
	})
}

// TestHeartbeatOfLaterVersion checks that a heartbeat of a later version counts. A node in an unknown state is there,
// and its version is kept in printable form.
func TestHeartbeatOfLaterVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop := fleettest.NewLoopback()
		a := joinMember(t, loop, "a", "100")
		b := newPuppet(t, loop, "b", "200")
		b.said.Version = "v9\x1b[31m\n" + strings.Repeat("é", 100)
		b.say(pb.NodeState(99))
		synctest.Wait()
		if m, _ := a.Find("b"); m.State != live || m.Version != "v9[31m"+strings.Repeat("é", 47) {
			t.Errorf("a sees %+v", m)
		}
	})
}

// TestHeartbeatIsNotKept checks that a node that restarts again and again, each time with a version of a megabyte, does
// not make others hold megabytes: their events keep each version.
func TestHeartbeatIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop := fleettest.NewLoopback()
		a := joinMember(t, loop, "a", "100")
		b := newPuppet(t, loop, "b", "200")
		before := heap()
		const restarts = 64
		for i := range restarts {
			b.said.Incarnation = fmt.Sprint(201 + i)
			b.said.Version = strings.Repeat("v", 1<<20)
			b.say(live)
			time.Sleep(time.Second)
		}
		b.said.Version = ""
		b.say(live)
		synctest.Wait()
		if got := len(a.happened()); got < restarts {
			t.Fatalf("%d events", got)
		}
		if grown := heap() - before; grown > restarts<<18 {
			t.Errorf("%d restarts made the node hold %d KiB", restarts, grown>>10)
		}
	})
}

// heap returns the bytes in use after a collection.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
