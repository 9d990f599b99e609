package member_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/fleet/fleettest"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
)

// joinAt makes a node that has joined, and tells others an address.
func joinAt(t *testing.T, loop *fleettest.Loopback, name, address string) *memberNode {
	t.Helper()
	n := newMember(t, loop, name, "100")
	n.Members = member.New(member.Config{Fleet: "test", Address: address, Bus: n.bus, Self: n.body,
		Logger: hclog.New(&hclog.LoggerOptions{Output: n.out})}, member.NewSubjects("test"), time.Now())
	if err := n.Join(t.Context()); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return n
}

// addressWatch follows the addresses that a node has.
type addressWatch struct {
	node    *memberNode
	changed <-chan struct{}
}

// expect compares the addresses, given as `node=address`, and whether a change was told since the last look. Changes
// are told again afterwards.
func (w *addressWatch) expect(when string, changes bool, want ...string) {
	t := w.node.t
	t.Helper()
	defer time.Sleep(2 * time.Second)
	synctest.Wait()
	told := false
	select {
	case <-w.changed:
		told = true
	default:
	}
	if told != changes && w.changed != nil {
		t.Errorf("%s: a change was told: %v", when, told)
	}
	nodes, changed := w.node.Addresses()
	w.changed = changed
	var got []string
	for _, n := range nodes {
		got = append(got, n.GetNode()+"="+n.GetAddress())
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v; expected %v", when, got, want)
	}
}

// TestAddresses checks the addresses that a node has of itself and of others, and that each change is told, and nothing
// else.
func TestAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop := fleettest.NewLoopback()
		spy := spyMembers(t, loop, place("m", "100"))
		m := joinAt(t, loop, "m", "10.0.0.1:8018")
		if beats := spy.of("beat"); len(beats) == 0 || beats[0].beat.GetControlAddress() != "10.0.0.1:8018" {
			t.Errorf("m says %v", beats)
		}
		w := &addressWatch{node: m}
		own := "m=10.0.0.1:8018"
		w.expect("alone", false, own)
		silent, a, z := newPuppet(t, loop, "b", "200"), newPuppet(t, loop, "a", "200"), newPuppet(t, loop, "z", "200")
		silent.say(live)
		w.expect("a node keeps its address to itself", false, own)
		a.said.ControlAddress, z.said.ControlAddress = "a.example.org:8018", "[2001:db8::1]:8018"
		a.say(live)
		w.expect("a joins", true, "a=a.example.org:8018", own)
		z.say(draining)
		w.expect("z joins, draining", true, "a=a.example.org:8018", own, "z=[2001:db8::1]:8018")
		z.say(live)
		a.say(live)
		w.expect("nothing changes", false, "a=a.example.org:8018", own, "z=[2001:db8::1]:8018")
		a.said.Incarnation = "201"
		a.say(live)
		w.expect("a restarts", true, "a=a.example.org:8018", own, "z=[2001:db8::1]:8018")
		z.said.ControlAddress = "10.0.0.9:1"
		z.say(live)
		w.expect("z moves", true, "a=a.example.org:8018", own, "z=10.0.0.9:1")
		a.say(left)
		w.expect("a leaves", true, own, "z=10.0.0.9:1")
		m.until("z", suspect)
		w.expect("z is suspect", false, own, "z=10.0.0.9:1")
		m.until("z", unreachable)
		w.expect("z is unreachable", true, own)
		z.say(live)
		w.expect("z is back", true, own, "z=10.0.0.9:1")
		z.said.ControlAddress = ""
		z.say(live)
		w.expect("z keeps it to itself", true, own)
		m.until("z", unreachable)
		w.expect("a node without an address is unreachable", false, own)
	})
}

// TestAddressesOfDisplaced checks that a node that has left the fleet to its twin knows of no other address.
func TestAddressesOfDisplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop := fleettest.NewLoopback()
		m := joinAt(t, loop, "m", "10.0.0.1:8018")
		a, twin := newPuppet(t, loop, "a", "200"), newPuppet(t, loop, "m", "300")
		a.said.ControlAddress = "10.0.0.2:8018"
		a.say(live)
		w := &addressWatch{node: m}
		w.expect("a joins", true, "a=10.0.0.2:8018", "m=10.0.0.1:8018")
		twin.said.ControlAddress = "10.0.0.3:8018"
		twin.say(live)
		w.expect("m is displaced", true, "m=10.0.0.1:8018")
	})
}

// TestAddressNonsense checks that an address that is none is not kept, that its node counts all the same, and that the
// log says so once a minute.
func TestAddressNonsense(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop := fleettest.NewLoopback()
		m := joinAt(t, loop, "m", "")
		b := newPuppet(t, loop, "b", "200")
		w := &addressWatch{node: m}
		w.expect("alone", false)
		for _, nonsense := range []string{"x", ":8018", "0.0.0.0:8018", "[::]:8018", "[::ffff:0.0.0.0]:8018", "224.0.0.1:1",
			"[fe80::1%eth0]:8018", "host:0", "host:65536", "host:http", "host:-1", "host:+1", "host:", "[host]:1", "a b:1",
			"a\nb:1", "a..b:1", "-a:1", "a/b:1", "unix:///run/x", "http://host:1", "host:1:2", "%00:1", "ü:1", "\x00:1",
			strings.Repeat("a", 64) + ":1", strings.Repeat("a.", 130) + ":1"} {
			if member.CheckAddress(nonsense) == nil {
				t.Errorf("%q passes", nonsense)
			}
			b.said.ControlAddress = nonsense
			b.say(live)
			w.expect(nonsense, false)
			if m.state("b") != live {
				t.Errorf("with %q b is %v", nonsense, m.state("b"))
			}
		}
		if n := m.out.count("tells a control address that is none"); n != 1 {
			t.Errorf("the log has %d lines of it", n)
		}
		for _, good := range []string{"10.0.0.1:1", "[::1]:65535", "localhost:8018", "edge_1.example-2.org.:8018",
			strings.Repeat("a.", 125) + ":8018"} {
			if err := member.CheckAddress(good); err != nil {
				t.Errorf("%q: %v", good, err)
			}
		}
	})
}

// TestAddressesHaveRoom checks that the addresses of all nodes together are bounded, that the log says so, and that a
// node gets room when others are gone.
func TestAddressesHaveRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop := fleettest.NewLoopback()
		m := joinAt(t, loop, "m", "")
		p := newPuppet(t, loop, "n", "200")
		p.said.ControlAddress = strings.Repeat("a.", 125) + ":8018"
		fit := member.MostAddresses / len(p.said.ControlAddress)
		say := func(i int) {
			p.name = fmt.Sprintf("n-%04d", i)
			p.say(live)
		}
		for i := range fit + 10 {
			say(i)
		}
		synctest.Wait()
		known := func() int {
			time.Sleep(2 * time.Second)
			synctest.Wait()
			nodes, _ := m.Addresses()
			return len(nodes)
		}
		if known() != fit || len(m.All()) != fit+11 {
			t.Errorf("%d addresses of %d nodes; expected %d", known(), len(m.All()), fit)
		}
		if n := m.out.count("has no room"); n != 1 {
			t.Errorf("the log has %d lines of it", n)
		}
		p.name = "n-0000"
		p.say(left)
		synctest.Wait()
		if _, err := m.Forget("n-0000"); err != nil {
			t.Error(err)
		}
		say(1) // it has its place already
		say(fit + 1)
		say(fit + 2)
		synctest.Wait()
		if a, _ := m.Find(fmt.Sprintf("n-%04d", fit+1)); known() != fit || a.Address == "" {
			t.Errorf("%d addresses; the node that waited has %q", known(), a.Address)
		}
	})
}

// TestAddressesRestless checks that a node cannot wake all programs of a fleet all the time.
func TestAddressesRestless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop := fleettest.NewLoopback()
		m := joinAt(t, loop, "m", "")
		b := newPuppet(t, loop, "b", "200")
		wakes := 0
		for i := range 9_000 { // in 9 s
			_, changed := m.Addresses()
			b.said.ControlAddress = fmt.Sprintf("10.0.0.1:%d", i+1)
			b.say(live)
			time.Sleep(time.Millisecond)
			synctest.Wait()
			select {
			case <-changed:
				wakes++
			default:
			}
		}
		if wakes != 5 || m.out.count("too often") != 1 {
			t.Errorf("%d wakes, %d lines of the log", wakes, m.out.count("too often"))
		}
		time.Sleep(2 * time.Second)
		b.said.ControlAddress = "10.0.0.9:1" // the last change is told, too
		b.say(live)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if nodes, _ := m.Addresses(); len(nodes) != 1 || nodes[0].GetAddress() != "10.0.0.9:1" {
			t.Errorf("%v", nodes)
		}
	})
}
