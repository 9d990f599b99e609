//go:build linux

package fleet

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// watch follows events for as long as a test runs, and holds the promise of an event stream: in each incarnation of
// each node the sequences grow, and a gap covers each missing event.
type watch struct {
	t    testing.TB
	name string
	asks *pb.StreamEventsRequest
	hold chan struct{} // nil: read at once; else read nothing until it is closed

	mu      sync.Mutex
	lives   map[string]*life  // by `node incarnation`
	since   map[string]uint64 // likewise: the stream owes every event behind this sequence
	members []memberEvent
	gaps    []string
	cursor  string
	err     error // the reason for its end

	ended chan struct{}
}

// life has the events and gaps that a stream gave of one incarnation of a node.
type life struct {
	node     string
	kinds    map[uint64]pb.EventType // of each event that came
	gaps     [][2]uint64             // from and to of each gap that has them
	late     bool                    // it began while the stream was open, so the stream owes its events from the first on
	first    uint64
	last     uint64
	problems []string
}

// memberEvent is an event about a node.
type memberEvent struct {
	kind, node, incarnation string
	at                      time.Time
}

// follow watches the events of a fleet of these nodes by way of a gateway, from now on.
func follow(g *gateway, nodes []*gateway) *watch {
	g.t.Helper()
	w := newWatch(g, "the fleet's events by way of "+g.node, &pb.StreamEventsRequest{})
	w.begin(g)
	w.owed(nodes)
	return w
}

// owed notes that the open stream owes all events from now on.
func (w *watch) owed(nodes []*gateway) {
	w.t.Helper()
	for _, n := range nodes {
		head := n.head()
		w.mu.Lock()
		w.since[n.node+" "+n.incarnation()] = head
		w.mu.Unlock()
	}
}

// followOwn watches each gateway's own events, from the oldest on.
func followOwn(gateways ...*gateway) (all []*watch) {
	for _, g := range gateways {
		g.t.Helper()
		w := newWatch(g, "the own events of "+g.node, &pb.StreamEventsRequest{Scope: local(), After: "0"})
		w.begin(g)
		all = append(all, w)
	}
	return all
}

func newWatch(g *gateway, name string, r *pb.StreamEventsRequest) *watch {
	return &watch{t: g.t, name: name, asks: r, lives: make(map[string]*life), since: make(map[string]uint64),
		ended: make(chan struct{})}
}

// begin opens the stream on a connection of its own, so that it delays no other call when it does not read. It returns
// when the stream is open.
func (w *watch) begin(g *gateway) {
	w.t.Helper()
	conn, err := grpc.NewClient("unix:"+g.socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(w.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	w.t.Cleanup(func() {
		cancel()
		<-w.ended
		_ = conn.Close()
	})
	stream, err := pb.NewGatewayServiceClient(conn).StreamEvents(ctx, w.asks)
	if err == nil {
		_, err = stream.Header() // the stream follows from now on
	}
	if err != nil {
		close(w.ended)
		w.t.Fatal(err)
	}
	go w.read(ctx, stream)
}

// read reads to the end.
func (w *watch) read(ctx context.Context, stream grpc.ServerStreamingClient[pb.StreamEventsResponse]) {
	defer close(w.ended)
	if w.hold != nil {
		select {
		case <-w.hold:
		case <-ctx.Done():
			return
		}
	}
	for {
		r, err := stream.Recv()
		w.mu.Lock()
		if err != nil {
			w.err = err
			w.mu.Unlock()
			return
		}
		for _, e := range r.GetEvents() {
			w.take(e)
		}
		if r.GetCursor() != "" {
			w.cursor = r.GetCursor()
		}
		w.mu.Unlock()
	}
}

// take notes an event.
func (w *watch) take(e *pb.Event) {
	key := e.GetNode() + " " + e.GetIncarnation()
	l := w.lives[key]
	if l == nil {
		l = &life{node: e.GetNode(), kinds: make(map[uint64]pb.EventType)}
		for _, other := range w.lives {
			l.late = l.late || other.node == l.node
		}
		w.lives[key] = l
	}
	switch e.GetType() {
	case pb.EventType_EVENT_TYPE_GAP:
		w.gaps = append(w.gaps, fmt.Sprintf("%s %v", key, e.GetGap()))
		l.gap(e.GetGap())
	case pb.EventType_EVENT_TYPE_DATA, pb.EventType_EVENT_TYPE_PRESENT, pb.EventType_EVENT_TYPE_SNAPSHOT_COMPLETE:
	default:
		l.event(e)
	}
	if m := e.GetMember(); m != nil {
		w.members = append(w.members, memberEvent{strings.TrimPrefix(e.GetType().String(), "EVENT_TYPE_NODE_"),
			m.GetNode(), m.GetIncarnation(), time.Now()})
	}
}

func (l *life) gap(g *pb.GapDetails) {
	if g.GetTo() == 0 {
		return // of an earlier incarnation: the number of its events is not known
	}
	l.gaps = append(l.gaps, [2]uint64{g.GetFrom(), g.GetTo()})
	l.last = max(l.last, g.GetTo())
}

func (l *life) event(e *pb.Event) {
	s := e.GetSequence()
	if s <= l.last {
		l.problems = append(l.problems, fmt.Sprintf("event %d came behind %d", s, l.last))
	}
	if l.first == 0 {
		l.first = s
	}
	l.last = max(l.last, s)
	l.kinds[s] = e.GetType()
}

// has reports whether an event came, or is covered by a gap.
func (l *life) has(sequence uint64) bool {
	if _, ok := l.kinds[sequence]; ok {
		return true
	}
	return slices.ContainsFunc(l.gaps, func(g [2]uint64) bool { return g[0] <= sequence && sequence <= g[1] })
}

// reached returns the last sequence that the stream has of a node's newest incarnation, and how many of its events
// came.
func (w *watch) reached(g *gateway) (last uint64, events int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if l := w.lives[g.node+" "+g.incarnation()]; l != nil {
		return l.last, len(l.kinds)
	}
	return 0, 0
}

// member waits until the stream has an event about a node after a moment, and returns how long after the moment it
// came.
func (w *watch) member(kind, node string, since time.Time) time.Duration {
	w.t.Helper()
	var came time.Time
	await(w.t, w.name+" say "+node+" "+kind, func() (bool, string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, m := range w.members {
			if m.kind == kind && m.node == node && m.at.After(since) {
				came = m.at
				return true, ""
			}
		}
		return false, fmt.Sprintf("%v, %v", w.members, w.err)
	})
	return came.Sub(since)
}

// memberKind reports whether an event is about a node. A fleet's stream has such events only from the node that was
// asked.
func memberKind(k pb.EventType) bool {
	return k >= pb.EventType_EVENT_TYPE_NODE_JOINED && k <= pb.EventType_EVENT_TYPE_NODE_LEFT
}

// dense holds that the stream has all events of each node's own stream, from the first that it owes to the last that it
// has: each event, or a gap that covers it.
func (w *watch) dense(own ...*watch) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		w.t.Errorf("%s ended: %v", w.name, w.err)
	}
	for _, o := range own {
		o.mu.Lock()
		for key, origin := range o.lives {
			w.compare(key, origin)
		}
		o.mu.Unlock()
	}
}

// whole is dense without gaps: every node has kept its events until the stream came for them.
func (w *watch) whole(own ...*watch) {
	w.t.Helper()
	w.dense(own...)
	if len(w.gaps) > 0 {
		w.t.Errorf("%s have gaps, where nodes have kept all: %v", w.name, w.gaps)
	}
}

// compare is dense for one incarnation of a node.
func (w *watch) compare(key string, origin *life) {
	w.t.Helper()
	l := w.lives[key]
	if l == nil {
		w.t.Errorf("%s say nothing of %s, which had %d events", w.name, key, len(origin.kinds))
		return
	}
	for _, p := range append(l.problems, origin.problems...) {
		w.t.Errorf("%s: %s: %s", w.name, key, p)
	}
	compared, lost := 0, []uint64(nil)
	from := max(l.first, origin.first)
	if since, owes := w.since[key]; owes {
		from = max(since+1, origin.first)
	} else if l.late {
		from = origin.first
	}
	for s := from; s <= min(l.last, origin.last); s++ {
		kind, came := origin.kinds[s]
		if !came && !origin.has(s) {
			w.t.Errorf("%s: its own stream passes over event %d silently", key, s)
		}
		compared++
		if came && !memberKind(kind) && !l.has(s) {
			lost = append(lost, s)
		}
	}
	if len(lost) > 0 {
		w.t.Errorf("%s pass over %d events of %s silently: %v…; gaps: %v", w.name, len(lost), key, lost[:min(len(lost), 5)],
			l.gaps)
	}
	if compared == 0 {
		w.t.Errorf("%s and the own events of %s have nothing in common: %d to %d, and %d to %d", w.name, key, l.first, l.last,
			origin.first, origin.last)
	}
}

// caughtUp waits until the stream has come to the nodes' newest events, and returns how long that took.
func (w *watch) caughtUp(gateways ...*gateway) time.Duration {
	w.t.Helper()
	begin := time.Now()
	for _, g := range gateways {
		head := g.marked()
		await(w.t, fmt.Sprintf("%s come to event %d of %s", w.name, head, g.node), func() (bool, string) {
			last, _ := w.reached(g)
			w.mu.Lock()
			defer w.mu.Unlock()
			return last >= head, fmt.Sprintf("at %d; %v", last, w.err)
		})
	}
	return time.Since(begin)
}
