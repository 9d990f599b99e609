package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/bus"
	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/internal/exchange"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// world is a set of nodes with the real parts that an event stream touches, except the roster and the exchange, which
// the test writes. Every node sees the others in the same way.
type world struct {
	mu      sync.Mutex
	places  []*place // in the order of their names
	changed chan struct{}
}

// wired is a bus that is connected and never used.
type wired struct{ bus.Bus }

func (wired) Status() bus.Status { return bus.Status{Connected: true} }

// logged is a node that has nothing but an event log.
type logged struct {
	member.Self
	log *event.Log
}

func (l logged) Log() *event.Log { return l.log }

// place is a node, through its lives.
type place struct {
	world *world
	name  string
	lives int
	log   *event.Log
	local *control.Local
	node  *Node

	// Guarded by world.mu.
	member member.Member
	known  bool
	// the answer to a node that opens a stream; nil, or a nil end: the stream opens
	fails   func(r *pb.StreamEventsRequest) *exchange.StreamEnd
	streams map[*fakeStream]bool
	opened  []*pb.StreamEventsRequest // the requests that it got
	forged  []byte                    // what it sends in place of its own responses; nil: nothing
	drips   bool                      // it sends what is forged every four seconds, and not once
	silent  bool                      // it accepts streams, and sends nothing
	infos   []server.Connection
}

const ringSize = 256

func newWorld(names ...string) *world {
	w := &world{changed: make(chan struct{})}
	for _, name := range names {
		p := &place{world: w, name: name, known: true, streams: make(map[*fakeStream]bool)}
		w.places = append(w.places, p)
		p.start()
	}
	return w
}

func (w *world) at(name string) *place {
	return w.places[slices.IndexFunc(w.places, func(p *place) bool { return p.name == name })]
}

// tell wakes the goroutines that wait for changes. The caller holds mu.
func (w *world) tell() {
	close(w.changed)
	w.changed = make(chan struct{})
}

// shelf is a gateway with nothing but an event log and connections.
type shelf struct {
	embeddedGateway
	log   *event.Log
	infos func() []server.Connection
}

// embeddedGateway is control.Gateway under a name that does not clash with its method Gateway.
type embeddedGateway = control.Gateway

func (s shelf) Cursor() event.Cursor { return s.log.Head() }

func (s shelf) Subscribe(r server.SubscribeRequest) (*event.Subscription, error) {
	return s.log.Subscribe(event.Options{After: r.After, Types: r.Types, MaxData: r.MaxData})
}

func (s shelf) List(_ context.Context, r server.ListRequest) (server.ListPage, error) {
	all := s.infos()[r.After:]
	page := server.ListPage{Connections: all[:min(len(all), r.Limit)]}
	if len(all) > r.Limit {
		page.Next = r.After + uint64(r.Limit)
	}
	return page, nil
}

func (p *place) start() {
	p.lives++
	origin := event.Origin{Node: p.name, Incarnation: fmt.Sprintf("%x", 0x19ab00+p.lives)}
	log := event.NewLog(origin, ringSize)
	infos := func() []server.Connection {
		p.world.mu.Lock()
		defer p.world.mu.Unlock()
		return p.infos
	}
	p.local = control.NewLocal(shelf{log: log, infos: infos}, control.Config{})
	p.node = &Node{core: core{config: Config{Bus: wired{}, Self: logged{log: log}}, local: p.local, roster: view{p}},
		log:   hclog.NewNullLogger(),
		asker: view{p}, shares: newShares()}
	p.log = log
	p.member = member.Member{Origin: origin, State: pb.NodeState_NODE_STATE_LIVE}
}

// append publishes n events, and then a heartbeat.
func (p *place) append(n int) {
	for range n {
		p.log.Append(&event.Event{Type: event.Listening, Detail: &event.ListenerDetail{Name: "main", Address: "127.0.0.1:1"}})
	}
	p.beat()
}

// beat tells the nodes that can hear it how far this node's log has come.
func (p *place) beat() {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	if p.member.Asked() {
		p.member.Head, p.member.Oldest = p.log.Head().Sequence, p.log.Oldest()
	}
}

// connections gives the node n connections.
func (p *place) connections(n int) {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	p.infos = nil
	origin := p.log.Origin()
	for i := range n {
		p.infos = append(p.infos, server.Connection{Identity: &event.Identity{Origin: &origin,
			Listener: &event.Listener{Name: "main"}, Seq: uint64(i + 1)}})
	}
}

// state changes the state in which the others see the node. If it can no longer be asked, its streams break.
func (p *place) state(s pb.NodeState) {
	p.world.mu.Lock()
	p.member.State = s
	if !p.member.Asked() {
		p.cut(pb.NodeStatus_NODE_STATUS_TIMED_OUT)
	}
	p.world.tell()
	p.world.mu.Unlock()
}

// cut breaks the streams from the node. The caller holds mu.
func (p *place) cut(s pb.NodeStatus) {
	for f := range p.streams {
		f.breakOff(&exchange.StreamEnd{Answer: exchange.Answer{Node: p.name, Status: s, Message: "the test says so"}})
	}
	clear(p.streams)
}

// drop breaks the streams from the node, and leaves its state.
func (p *place) drop(s pb.NodeStatus) {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	p.cut(s)
}

// mute makes the node accept streams and send nothing, or send again on streams that are opened then.
func (p *place) mute(silent bool) {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	p.silent = silent
}

// refuse makes the node end newly opened streams with the answer of fails.
func (p *place) refuse(fails func(*pb.StreamEventsRequest) *exchange.StreamEnd) {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	p.fails = fails
}

// restart ends the node's life without notice and begins the next.
func (p *place) restart() {
	p.world.mu.Lock()
	p.cut(pb.NodeStatus_NODE_STATUS_RESTARTED)
	p.start()
	p.known = true
	p.world.tell()
	p.world.mu.Unlock()
	p.log.Append(&event.Event{Type: event.Listening})
	p.beat()
}

// leave ends the node in an orderly way: first its log, and with it its streams, then its membership.
func (p *place) leave() {
	p.log.Close()
	p.beat()
	p.state(pb.NodeState_NODE_STATE_LEFT)
}

// forget makes the others forget the node, or know it again.
func (p *place) forget(forgotten bool) {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	p.known = !forgotten
	if forgotten {
		p.cut(pb.NodeStatus_NODE_STATUS_TIMED_OUT)
	}
	p.world.tell()
}

// asked returns the requests that opened streams at the node.
func (p *place) asked() []*pb.StreamEventsRequest {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	return slices.Clone(p.opened)
}

// view is the roster and the exchange of a node.
type view struct{ *place }

func (v view) list(wanted func(*place) bool) []member.Member {
	v.world.mu.Lock()
	defer v.world.mu.Unlock()
	var members []member.Member
	for _, p := range v.world.places {
		m := p.member
		if m.Self = p == v.place; m.Self {
			m.State, m.Head, m.Oldest = pb.NodeState_NODE_STATE_LIVE, p.log.Head().Sequence, p.log.Oldest()
		}
		if m.Self || wanted(p) {
			members = append(members, m)
		}
	}
	return members
}

func (v view) Self() member.Member {
	m, _ := v.Find(v.name)
	return m
}

func (v view) All() []member.Member {
	return v.list(func(p *place) bool { return p.known && p.member.State != pb.NodeState_NODE_STATE_LEFT })
}

func (v view) Known() []member.Member { return v.list(func(p *place) bool { return p.known }) }

func (v view) Find(name string) (member.Member, bool) {
	known := v.Known()
	i := slices.IndexFunc(known, func(m member.Member) bool { return m.Node == name })
	if i < 0 {
		return member.Member{}, false
	}
	return known[i], true
}

func (v view) Changed() <-chan struct{} {
	v.world.mu.Lock()
	defer v.world.mu.Unlock()
	return v.world.changed
}

func (v view) Forget(string) (member.Member, error) {
	return member.Member{}, errors.New("not in this test")
}

func (v view) Ask(context.Context, []member.Member, exchange.Question) []exchange.Answer { return nil }

// fakeWindow is the most items of a stream that may be in flight.
const fakeWindow = 4

// Follow opens a stream at another node, as the exchange does.
func (v view) Follow(ctx context.Context, to member.Member, q exchange.Question) exchange.Stream {
	p := v.world.at(to.Node)
	ctx, cancel := context.WithCancel(ctx)
	f := &fakeStream{from: p, items: make(chan []byte, fakeWindow), ended: make(chan struct{}), cancel: cancel,
		done: make(chan struct{})}
	r := new(pb.StreamEventsRequest)
	err := proto.Unmarshal(q.Body, r)
	v.world.mu.Lock()
	defer v.world.mu.Unlock()
	p.opened = append(p.opened, r)
	var end *exchange.StreamEnd
	switch {
	case err != nil || q.Method != pb.GatewayService_StreamEvents_FullMethodName:
		end = &exchange.StreamEnd{Answer: exchange.Answer{Node: p.name, Status: pb.NodeStatus_NODE_STATUS_ERROR,
			Err: status.Errorf(codes.Internal, "%s: %v", q.Method, err)}}
	case p.fails != nil:
		end = p.fails(r)
	}
	switch {
	case end != nil:
	case !p.known || !p.member.Asked():
		end = &exchange.StreamEnd{Answer: exchange.Answer{Node: p.name, Status: pb.NodeStatus_NODE_STATUS_UNREACHABLE}}
	case p.member.Origin != to.Origin:
		end = &exchange.StreamEnd{Answer: exchange.Answer{Node: p.name, Status: pb.NodeStatus_NODE_STATUS_RESTARTED}}
	}
	if end != nil {
		f.breakOff(end)
	}
	if end == nil {
		p.streams[f] = true
	}
	if p.forged != nil && end == nil && p.drips {
		go f.drip(ctx, p.forged)
		return f
	}
	if p.forged != nil && end == nil {
		f.items <- p.forged
	}
	if end != nil || p.silent || p.forged != nil {
		close(f.done)
		return f
	}
	go f.run(ctx, p.local, q)
	return f
}

// fakeStream is a stream from a node.
type fakeStream struct {
	from   *place
	items  chan []byte
	ended  chan struct{}
	end    *exchange.StreamEnd // set before ended is closed
	once   sync.Once
	cancel context.CancelFunc
	done   chan struct{} // closed when run has ended
}

func (f *fakeStream) run(ctx context.Context, local *control.Local, q exchange.Question) {
	defer close(f.done)
	caller := event.Actor{Identity: "test", Role: "ADMIN", Via: "other"}
	err := local.Follow(ctx, caller, pb.Role_ROLE_ADMIN, q.Body, func(b []byte) error {
		if q.Room != nil && !q.Room(len(b)) {
			return status.Error(codes.ResourceExhausted, "no room")
		}
		select {
		case f.items <- slices.Clone(b):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	switch {
	case err == nil:
		f.breakOff(&exchange.StreamEnd{Answer: exchange.Answer{Node: f.from.name, Status: pb.NodeStatus_NODE_STATUS_OK}})
	case status.Code(err) == codes.PermissionDenied:
		f.breakOff(&exchange.StreamEnd{Answer: exchange.Answer{Node: f.from.name, Status: pb.NodeStatus_NODE_STATUS_DENIED,
			Err: err}})
	default:
		f.breakOff(&exchange.StreamEnd{Answer: exchange.Answer{Node: f.from.name, Status: pb.NodeStatus_NODE_STATUS_ERROR,
			Err: err, Message: err.Error()}})
	}
}

func (f *fakeStream) breakOff(end *exchange.StreamEnd) {
	f.once.Do(func() {
		f.end = end
		close(f.ended)
		f.cancel()
	})
}

func (f *fakeStream) Next(ctx context.Context) ([]byte, error) {
	select {
	case b := <-f.items:
		return b, nil
	default:
	}
	select {
	case b := <-f.items:
		return b, nil
	case <-f.ended:
		select {
		case b := <-f.items: // items that came before the end
			return b, nil
		default:
			return nil, f.end
		}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (f *fakeStream) Close() {
	f.breakOff(&exchange.StreamEnd{Answer: exchange.Answer{Node: f.from.name, Status: pb.NodeStatus_NODE_STATUS_OK,
		Message: "closed"}})
	<-f.done
	f.from.world.mu.Lock()
	defer f.from.world.mu.Unlock()
	delete(f.from.streams, f)
}

// client is a StreamEvents call of a test.
type client struct{ *StreamCall }

// open calls StreamEvents at a node. The call ends with the test, or when it is hung up.
func open(t testing.TB, p *place, r *pb.StreamEventsRequest) client {
	t.Helper()
	c := client{CallStream(p.node, r)}
	t.Cleanup(c.HangUp)
	return c
}

func (c client) next(t testing.TB) *pb.StreamEventsResponse {
	t.Helper()
	select {
	case r := <-c.Sent:
		return r
	case err := <-c.Result:
		t.Fatalf("the stream has ended with %v; expected a response", err)
	case <-time.After(time.Hour):
		t.Fatal("no response for an hour")
	}
	return nil
}

// until returns the responses up to and including the first that says holds for.
func (c client) until(t testing.TB, says func(*pb.StreamEventsResponse) bool) []*pb.StreamEventsResponse {
	t.Helper()
	var got []*pb.StreamEventsResponse
	for began := time.Now(); time.Since(began) < 10*time.Minute; {
		got = append(got, c.next(t))
		if says(got[len(got)-1]) {
			return got
		}
	}
	t.Fatalf("it did not come within ten minutes; what came is %.2000s, up to %s", story(got...),
		got[len(got)-1].GetCursor())
	return nil
}

// err skips responses and returns the error that ends the call.
func (c client) err(t testing.TB) error {
	t.Helper()
	enough := time.After(10 * time.Minute)
	for {
		select {
		case <-c.Sent:
		case err := <-c.Result:
			return err
		case <-enough:
			t.Fatal("the stream does not end")
		}
	}
}

// story describes the events of responses in words, node by node. It leaves heartbeats out.
func story(responses ...*pb.StreamEventsResponse) string {
	var words []string
	for _, r := range responses {
		for _, e := range r.GetEvents() {
			words = append(words, word(e))
		}
	}
	return strings.Join(words, " ")
}

func word(e *pb.Event) string {
	switch e.GetType() {
	case pb.EventType_EVENT_TYPE_GAP:
		d := e.GetGap()
		return fmt.Sprintf("%s:GAP(%s,%d-%d)", e.GetNode(), strings.TrimPrefix(d.GetReason().String(), "GAP_REASON_"),
			d.GetFrom(), d.GetTo())
	case pb.EventType_EVENT_TYPE_PRESENT:
		return fmt.Sprintf("%s:+%s", e.GetNode(), e.GetConnection().GetId())
	case pb.EventType_EVENT_TYPE_SNAPSHOT_COMPLETE:
		d := e.GetSnapshotComplete()
		return fmt.Sprintf("%s:COMPLETE(%d,%s,%v)", e.GetNode(), d.GetConnections(), d.GetCursor(), d.GetMissingNodes())
	}
	return fmt.Sprintf("%s:%d", e.GetNode(), e.GetSequence())
}
