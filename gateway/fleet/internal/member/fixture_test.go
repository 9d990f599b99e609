package member_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/bus"
	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/fleettest"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	fleetv1 "github.com/sockgate/sockgate/gen/sockgate/fleet/v1"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// States of nodes, as tests write them.
const (
	live        = pb.NodeState_NODE_STATE_LIVE
	draining    = pb.NodeState_NODE_STATE_DRAINING
	suspect     = pb.NodeState_NODE_STATE_SUSPECT
	unreachable = pb.NodeState_NODE_STATE_UNREACHABLE
	left        = pb.NodeState_NODE_STATE_LEFT
	displaced   = pb.NodeState_NODE_STATE_DISPLACED
)

// body is a node's Self without a server.
type body struct {
	log      *event.Log
	live     atomic.Int64
	draining chan struct{}
	pause    *pause // may be nil
}

func (b *body) Cursor() event.Cursor      { return b.log.Head() }
func (b *body) Log() *event.Log           { return b.log }
func (b *body) Draining() <-chan struct{} { return b.draining }
func (b *body) Live() int {
	b.pause.wait()
	return int(b.live.Load())
}

// memberNode is a node with nothing but its membership.
type memberNode struct {
	*member.Members
	t    *testing.T
	name string
	body *body
	bus  *fleettest.LoopbackBus
	out  *lockedBuffer
	in   bool // joined and not left
}

// Join does the part of fleet.Node's Join that the membership does.
func (n *memberNode) Join(ctx context.Context) error {
	if err := n.Listen(); err != nil {
		return err
	}
	err := n.Settle(ctx)
	if err == nil {
		err = n.Begin(func() {})
	}
	if err != nil {
		n.GiveUp()
		return err
	}
	n.in = true
	return nil
}

// Leave leaves once, if the node has joined.
func (n *memberNode) Leave() {
	if n.in {
		n.in = false
		n.Stop()
	}
}

// place is the address of a node on the bus. The incarnation tells apart places with the same name.
func place(name, incarnation string) string { return name + "." + incarnation }

// newMember makes a node that has not joined, in a place of its own. wrap may change its bus.
func newMember(t *testing.T, loop *fleettest.Loopback, name, incarnation string, wrap ...func(*memberNode,
	bus.Bus) bus.Bus) *memberNode {
	t.Helper()
	n := &memberNode{t: t, name: name, bus: loop.Bus(place(name, incarnation)), out: new(lockedBuffer)}
	n.body = &body{log: event.NewLog(event.Origin{Node: name, Incarnation: incarnation}, 4096),
		draining: make(chan struct{})}
	var bus bus.Bus = n.bus
	for _, w := range wrap {
		bus = w(n, bus)
	}
	n.Members = member.New(member.Config{Fleet: "test", Version: "v1-" + name, Bus: bus, Self: n.body,
		Logger: hclog.New(&hclog.LoggerOptions{Output: n.out, Level: hclog.Debug})}, member.NewSubjects("test"), time.Now())
	t.Cleanup(n.Leave)
	return n
}

// joinMember makes a node that has joined.
func joinMember(t *testing.T, loop *fleettest.Loopback, name, incarnation string, wrap ...func(*memberNode,
	bus.Bus) bus.Bus) *memberNode {
	t.Helper()
	n := newMember(t, loop, name, incarnation, wrap...)
	if err := n.Join(t.Context()); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return n
}

// crash ends a node without telling the others that it left.
func (n *memberNode) crash() {
	n.bus.Connect(false)
	n.Leave()
}

// state returns the state in which the node sees another, or UNSPECIFIED if it does not know it.
func (n *memberNode) state(name string) pb.NodeState {
	m, _ := n.Find(name)
	return m.State
}

// until waits until the node sees another in a state, and returns that moment.
func (n *memberNode) until(name string, want pb.NodeState) time.Time {
	n.t.Helper()
	over := time.After(time.Hour)
	for {
		changed := n.Changed()
		if n.state(name) == want {
			return time.Now()
		}
		select {
		case <-changed:
		case <-over:
			n.t.Fatalf("%s sees %s in state %v; expected %v", n.name, name, n.state(name), want)
		}
	}
}

// happened returns the node's events about members, as `TYPE node.incarnation`.
func (n *memberNode) happened() []string {
	n.t.Helper()
	var all []string
	for _, e := range n.memberEvents() {
		d := e.Detail.(*event.NodeDetail)
		all = append(all, fmt.Sprintf("%s %s.%s", e.Type, d.Node.Node, d.Node.Incarnation))
	}
	return all
}

// expectHappened compares the node's events about members.
func (n *memberNode) expectHappened(want ...string) {
	n.t.Helper()
	if got := n.happened(); !slices.Equal(got, want) {
		n.t.Errorf("events of %s:\n%s\nexpected:\n%s", n.name, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func (n *memberNode) memberEvents() []event.Event {
	n.t.Helper()
	s, err := n.body.log.Subscribe(event.Options{After: "0"})
	if err != nil {
		n.t.Fatal(err)
	}
	defer s.Close()
	var all []event.Event
	for {
		batch := s.Poll(nil)
		if len(batch) == 0 {
			return all
		}
		all = append(all, batch...)
	}
}

// lastDetail returns the detail of the newest event of a type.
func (n *memberNode) lastDetail(want event.Type) *event.NodeDetail {
	n.t.Helper()
	for _, e := range slices.Backward(n.memberEvents()) {
		if e.Type == want {
			return e.Detail.(*event.NodeDetail)
		}
	}
	n.t.Fatalf("%s has no event %s; it has %v", n.name, want, n.happened())
	return nil
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// count returns how many lines contain a text.
func (l *lockedBuffer) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for line := range strings.Lines(l.b.String()) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// puppet is a node that says only the test's words.
type puppet struct {
	t    testing.TB
	bus  *fleettest.LoopbackBus
	name string
	said *fleetv1.Heartbeat
}

func newPuppet(t testing.TB, loop *fleettest.Loopback, name, incarnation string) *puppet {
	return &puppet{t: t, bus: loop.Bus(place(name, incarnation)), name: name,
		said: &fleetv1.Heartbeat{Incarnation: incarnation, Instance: bytes.Repeat([]byte{7}, 16), State: live}}
}

func (p *puppet) say(state pb.NodeState) {
	p.t.Helper()
	p.said.State = state
	publish(p.t, p.bus, "sockgate.test.beat."+p.name, p.said)
}

func (p *puppet) hello() {
	p.t.Helper()
	publish(p.t, p.bus, "sockgate.test.hello."+p.name, &fleetv1.Hello{Incarnation: p.said.Incarnation,
		Instance: p.said.Instance})
}

func publish(t testing.TB, bus bus.Bus, subject string, message proto.Message) {
	t.Helper()
	data, err := proto.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	if err := bus.Publish(subject, data); err != nil {
		t.Fatal(err)
	}
}

// spoken is everything that a place published on the subjects of membership.
type spoken struct {
	mu   sync.Mutex
	said []said
}

// said is a message of membership.
type said struct {
	at      time.Time
	subject string
	beat    *fleetv1.Heartbeat // nil for a Hello
}

// spyMembers records the messages of a place.
func spyMembers(t *testing.T, loop *fleettest.Loopback, at string) *spoken {
	s := new(spoken)
	loop.Spy(func(from, subject string, data []byte) {
		if from != at {
			return
		}
		one := said{at: time.Now(), subject: strings.Split(subject, ".")[2]}
		if one.subject == "beat" {
			one.beat = new(fleetv1.Heartbeat)
			if err := proto.Unmarshal(data, one.beat); err != nil {
				t.Error(err)
			}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.said = append(s.said, one)
	})
	return s
}

// of returns the messages on a subject.
func (s *spoken) of(subject string) []said {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.said), func(one said) bool { return one.subject != subject })
}

// last returns the time of the newest heartbeat.
func (s *spoken) last() time.Time {
	beats := s.of("beat")
	return beats[len(beats)-1].at
}

// pause holds up a bus, as if its process were stopped.
type pause struct {
	mu   sync.Mutex
	over chan struct{} // nil while nothing is held up
}

func (p *pause) wait() {
	if p == nil {
		return
	}
	p.mu.Lock()
	over := p.over
	p.mu.Unlock()
	if over != nil {
		<-over
	}
}

func (p *pause) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = make(chan struct{})
}

func (p *pause) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.over)
	p.over = nil
}

// pausedBus is the bus of a process that can be stopped.
type pausedBus struct {
	bus.Bus
	pause *pause
}

func (b *pausedBus) Publish(subject string, data []byte) error {
	b.pause.wait()
	return b.Bus.Publish(subject, data)
}

func (b *pausedBus) Status() bus.Status {
	b.pause.wait()
	return b.Bus.Status()
}

func (b *pausedBus) Subscribe(subject string, deliver func(string, []byte)) (func(), error) {
	return b.Bus.Subscribe(subject, func(subject string, data []byte) {
		b.pause.wait()
		deliver(subject, data)
	})
}

// stoppable lets a test stop a node.
func stoppable(n *memberNode, bus bus.Bus) bus.Bus {
	n.body.pause = new(pause)
	return &pausedBus{Bus: bus, pause: n.body.pause}
}

// statusBus reports the status that the test sets.
type statusBus struct {
	bus.Bus
	change func(*bus.Status)
}

func (b *statusBus) Status() bus.Status {
	s := b.Bus.Status()
	b.change(&s)
	return s
}

// embedded makes a node's bus look like one whose server is in the process.
func embedded(_ *memberNode, b bus.Bus) bus.Bus {
	return &statusBus{Bus: b, change: func(s *bus.Status) { s.Mode = "embedded" }}
}

// joinsWithin joins and returns the time that it took, and the error.
func (n *memberNode) joinsWithin(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	err := n.Join(ctx)
	return time.Since(began), err
}
