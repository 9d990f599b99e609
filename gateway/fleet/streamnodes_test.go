package fleet_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet"
	"github.com/sockgate/sockgate/gateway/fleet/fleettest"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// logGateway is a gateway with nothing but an event log.
type logGateway struct {
	embeddedGateway
	log *event.Log
}

// embeddedGateway is control.Gateway under a name that does not clash with its method Gateway.
type embeddedGateway = control.Gateway

func (g logGateway) Cursor() event.Cursor { return g.log.Head() }

func (g logGateway) Subscribe(r server.SubscribeRequest) (*event.Subscription, error) {
	return g.log.Subscribe(event.Options{After: r.After, Types: r.Types, MaxData: r.MaxData})
}

func (g logGateway) List(context.Context, server.ListRequest) (server.ListPage, error) {
	return server.ListPage{}, nil
}

// admitted is a node's control plane that takes every caller for an admin.
type admitted struct{ *control.Local }

func (admitted) Caller(context.Context) event.Actor {
	return event.Actor{Identity: "test", Proof: "none", Role: "ADMIN"}
}

// streamFleet is a fleet of real nodes, without connections and without servers of their control planes.
type streamFleet struct {
	t     *testing.T
	loop  *fleettest.Loopback
	nodes []*streamNode // in the order of their names
}

// streamNode is a node through its lives.
type streamNode struct {
	fleet *streamFleet
	name  string
	lives int
	there bool
	ours  map[event.Origin][]uint64 // events that are not about members, which other nodes do not put into a stream
	self  *body
	bus   *fleettest.LoopbackBus
	*fleet.Node
}

// ring is how many events a node keeps.
const ring = 1024

func newStreamFleet(t *testing.T, names ...string) *streamFleet {
	f := &streamFleet{t: t, loop: fleettest.NewLoopback()}
	for _, name := range names {
		n := &streamNode{fleet: f, name: name, ours: make(map[event.Origin][]uint64)}
		f.nodes = append(f.nodes, n)
		n.start()
	}
	return f
}

func (f *streamFleet) at(name string) *streamNode {
	return f.nodes[slices.IndexFunc(f.nodes, func(n *streamNode) bool { return n.name == name })]
}

func (f *streamFleet) close() {
	for _, n := range f.nodes {
		n.kill()
	}
}

func (n *streamNode) start() {
	n.lives++
	n.there = true
	n.self = &body{log: event.NewLog(event.Origin{Node: n.name, Incarnation: fmt.Sprintf("%x", 0x19ab00+n.lives)}, ring),
		draining: make(chan struct{})}
	n.bus = n.fleet.loop.Bus(n.name)
	var err error
	local := admitted{control.NewLocal(logGateway{log: n.self.log}, control.Config{})}
	if n.Node, err = fleet.New(fleet.Config{Fleet: "test", Bus: n.bus, Self: n.self, Local: local}); err != nil {
		n.fleet.t.Fatal(err)
	}
	if err := n.Join(context.Background()); err != nil {
		n.fleet.t.Fatal(err)
	}
}

// append publishes n events.
func (n *streamNode) append(count int) {
	for range count {
		sequence := n.self.log.Append(&event.Event{Type: event.Listening, Detail: &event.ListenerDetail{Name: "main",
			Address: "127.0.0.1:1"}})
		if sequence > 0 { // the log is still open
			n.ours[n.self.log.Origin()] = append(n.ours[n.self.log.Origin()], sequence)
		}
	}
}

// last returns the sequence of the newest event that every stream has.
func (n *streamNode) last(life event.Origin) uint64 {
	if ours := n.ours[life]; len(ours) > 0 {
		return ours[len(ours)-1]
	}
	return 0
}

// leave ends the node in an orderly way: its last events go out, and then it announces that it leaves.
func (n *streamNode) leave() {
	if n.there {
		n.self.log.Close()
		synctest.Wait()
		n.Leave()
		n.there = false
	}
}

// kill ends the node without a word.
func (n *streamNode) kill() {
	if n.there {
		n.bus.Connect(false)
		n.Leave()
		n.self.log.Close()
		n.there = false
	}
}

// roams is a caller that resumes at any node.
type roams struct {
	fleet.StreamCheck
	fleet  *streamFleet
	at     string
	call   *fleet.StreamCall
	heads  map[event.Origin]uint64 // last sequences of lives that left
	paused bool
	failed string
}

func newRoams(f *streamFleet, at string) *roams {
	r := &roams{fleet: f, at: at, heads: make(map[event.Origin]uint64)}
	r.Told = make(map[string]event.Cursor)
	r.Over = func(life event.Origin) (uint64, bool) {
		head, ok := r.heads[life]
		return head, ok
	}
	r.Passed = func(life event.Origin, from, to uint64) bool {
		ours := f.at(life.Node).ours[life]
		i, _ := slices.BinarySearch(ours, from)
		return i == len(ours) || ours[i] > to
	}
	r.Left = func(name string, told event.Cursor) string {
		n := f.at(name)
		if n.there && n.bus.Status().Connected && n.self.log.Origin() == told.Origin && !r.forgets(name) {
			return fmt.Sprintf("%s has left the cursor at %v; it is there", name, told)
		} else if last, left := r.heads[told.Origin]; left && told.Sequence < last {
			return fmt.Sprintf("%s has left the cursor at %v of %d", name, told, last)
		}
		return ""
	}
	r.open()
	return r
}

// forgets reports whether the node that is asked does not know another one.
func (r *roams) forgets(name string) bool {
	_, known := r.fleet.at(r.at).Roster().Find(name)
	return !known
}

func (r *roams) open() {
	after := r.After
	if after == "" {
		after = "0"
	}
	r.call = fleet.CallStream(r.fleet.at(r.at).Node, &pb.StreamEventsRequest{After: after})
}

// move goes on at another node, which is started if it is down.
func (r *roams) move(to string) {
	r.call.HangUp()
	<-r.call.Result
	r.at = to
	if n := r.fleet.at(to); !n.there {
		n.start()
	}
	r.open()
}

// take takes the responses that come within d.
func (r *roams) take(d time.Duration) {
	enough := time.After(d)
	for r.failed == "" {
		sent := r.call.Sent
		if r.paused {
			sent = nil
		}
		select {
		case response := <-sent:
			r.failed = r.Response(response)
		case err := <-r.call.Result:
			r.failed = fmt.Sprintf("the stream at %s ended with %v", r.at, err)
			r.call.Result <- nil
		case <-enough:
			return
		}
	}
}

// TestStreamOfNodes checks with three real nodes that the events of each come at once, and that a stream can be resumed
// at another node.
func TestStreamOfNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStreamFleet(t, "a", "b", "c")
		defer f.close()
		r := newRoams(f, "a")
		r.take(3 * time.Second)
		for i, at := range []string{"b", "c", "a"} {
			for _, n := range f.nodes {
				n.append(10)
			}
			r.take(100 * time.Millisecond)
			for _, n := range f.nodes {
				if told := r.Told[n.name]; told.Sequence < n.last(n.self.log.Origin()) {
					t.Errorf("at %s, round %d: told %v of %d", r.at, i, told, n.last(n.self.log.Origin()))
				}
			}
			for _, n := range f.nodes {
				n.append(5)
			}
			r.move(at)
		}
		if r.take(time.Second); r.failed != "" {
			t.Error(r.failed)
		}
		r.call.HangUp()
	})
}

// deed is a step of the script.
type deed struct {
	what, node, other string
	n                 int
}

var deeds = []string{"append", "append", "append", "append", "pass", "pass", "cut", "cut", "heal", "disconnect", "kill",
	"leave", "forget", "stall",
	"take", "move", "move"}

// TestStreamOfNodesModel is TestStreamModel with real nodes: with their membership, the questions that they ask each
// other, and a bus that loses every message that is sent while a link is cut.
func TestStreamOfNodesModel(t *testing.T) {
	names := []string{"a", "b", "c"}
	rapid.Check(t, func(r *rapid.T) {
		script := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) deed {
			return deed{rapid.SampledFrom(deeds).Draw(t, "what"), rapid.SampledFrom(names).Draw(t, "node"),
				rapid.SampledFrom(names).Draw(t, "other"),
				rapid.SampledFrom([]int{1, 2, 50, 300, 2000}).Draw(t, "n")}
		}), 1, 30).Draw(r, "script")
		failed := ""
		synctest.Test(t, func(t *testing.T) { failed = enact(t, script) })
		if failed != "" {
			r.Fatal(failed)
		}
	})
}

// enact runs a script, and returns an error text, or "".
func enact(t *testing.T, script []deed) string {
	f := newStreamFleet(t, "a", "b", "c")
	defer f.close()
	r := newRoams(f, "a")
	defer func() { r.call.HangUp() }()
	for _, d := range script {
		n := f.at(d.node)
		switch d.what {
		case "append":
			n.append(d.n)
		case "pass":
			r.take(time.Duration(d.n) * 10 * time.Millisecond)
		case "cut":
			f.loop.Cut(d.node, d.other, d.node != d.other)
		case "heal":
			f.heal()
		case "disconnect":
			if n.there {
				n.bus.Connect(false)
			}
		case "kill", "leave":
			if d.node == r.at {
				r.move(names(f)[(slices.Index(names(f), d.node)+1)%3])
			}
			if d.what == "kill" {
				n.kill()
			} else if n.there {
				n.leave()
				r.heads[n.self.log.Origin()] = n.last(n.self.log.Origin())
			}
		case "forget":
			for _, other := range f.nodes {
				_, _ = other.Roster().Forget(d.node) // fails for a live node
			}
		case "stall", "take":
			r.paused = d.what == "stall"
		case "move":
			if !f.at(d.other).there { // the node needs a life of its own before it is asked
				f.at(d.other).start()
			}
			r.move(d.other)
		}
		r.take(10 * time.Millisecond)
		if r.failed != "" {
			return fmt.Sprintf("after %v: %s", d, r.failed)
		}
	}
	return r.finish()
}

func names(f *streamFleet) (names []string) {
	for _, n := range f.nodes {
		names = append(names, n.name)
	}
	return names
}

func (f *streamFleet) heal() {
	for _, n := range f.nodes {
		for _, other := range f.nodes {
			f.loop.Cut(n.name, other.name, false)
		}
		if n.there && !n.bus.Status().Connected {
			n.bus.Connect(true)
		}
	}
}

// finish heals everything and waits until everything was told.
func (r *roams) finish() string {
	r.paused = false
	r.fleet.heal()
	r.take(time.Minute)
	for _, n := range r.fleet.nodes {
		if n.there {
			n.append(1)
		}
	}
	r.take(time.Minute)
	if r.failed != "" {
		return r.failed
	}
	for _, n := range r.fleet.nodes {
		if told, life := r.Told[n.name], n.self.log.Origin(); n.there && (told.Origin != life ||
			told.Sequence < n.last(life)) {
			return fmt.Sprintf("of %s was told up to %v; expected %v %d", n.name, told, life, n.last(life))
		}
	}
	return ""
}
