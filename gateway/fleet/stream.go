package fleet

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/internal/exchange"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	"github.com/sockgate/sockgate/gateway/fleet/internal/room"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// eventStream is one StreamEvents call for several nodes. The call's own goroutine alone merges and sends. Each
// followed node has a leg with a goroutine of its own. The leg hands over one item at a time and waits until it is
// taken. So a slow caller holds up only its own legs. Their nodes keep a position for each, and send a GAP when their
// rings have gone round.
//
// The vector is exactly after the events that were sent or are in the batch, for each node, because an item of a leg is
// never divided.
type eventStream struct {
	node   *Node
	server pb.GatewayService_StreamEventsServer
	plan   *streamPlan
	caller event.Actor
	items  chan item     // unbuffered
	live   chan struct{} // closed when no snapshot is under way: legs then go on from theirs to live events
	wait   sync.WaitGroup

	revoke  func()          // ends the call, because what it holds is needed
	revoked <-chan struct{} // closed by revoke

	// Only the call's goroutine uses the fields below.
	vector   event.Vector
	legs     map[string]bool         // other nodes that are followed, or passed over, by name
	departed map[string]event.Cursor // nodes that are no longer followed, and the position up to which the caller was told
	batch    batch
	snapshot *snapshot // nil: none is under way
	changed  <-chan struct{}
	sentAt   time.Time
}

// maxDeparted is how many nodes that have gone are remembered. A node that comes back in the same life then goes on
// where it was.
const maxDeparted = 1000

// StreamEvents follows the events of the nodes of a scope until the caller cancels, or this node's log has ended.
func (n *Node) StreamEvents(r *pb.StreamEventsRequest, server pb.GatewayService_StreamEventsServer) error {
	if r.GetScope().GetLocal() {
		return n.local.Events(server.Context(), r, func(b []byte) error { return sendEncoded(server, b) })
	}
	plan, err := n.planStream(r)
	if err != nil {
		return err
	}
	s := &eventStream{node: n, server: server, plan: plan, caller: n.local.Caller(server.Context()),
		items: make(chan item), live: make(chan struct{}), vector: plan.begin, legs: make(map[string]bool),
		departed: make(map[string]event.Cursor)}
	ctx, cancel := context.WithCancel(server.Context())
	revoked := make(chan struct{})
	s.revoked = revoked
	s.revoke = sync.OnceFunc(func() {
		close(revoked)
		cancel()
	})
	defer func() { s.batch.free() }()
	defer s.wait.Wait()
	defer cancel()
	err = s.run(ctx)
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case isClosed(revoked):
		return errStreamGaveWay
	}
	return err
}

// run begins with this node, which can tell whether the request is valid, and goes on with the others.
func (s *eventStream) run(ctx context.Context) error {
	s.wait.Go(func() { s.followOwn(ctx) })
	var first item
	select {
	case first = <-s.items:
	case <-ctx.Done():
		return ctx.Err()
	}
	if first.err != nil {
		return s.end(first.err)
	}
	s.beginSnapshot()
	s.enlist(ctx, s.plan.others)
	if err := s.take(first); err != nil {
		return err
	}
	if s.snapshot == nil {
		if err := s.send(); err != nil { // tells the caller at once where the stream begins
			return err
		}
	}
	return s.merge(ctx)
}

// merge takes the items of the legs, and sends them, until the stream ends.
func (s *eventStream) merge(ctx context.Context) error {
	timer := time.NewTimer(contract.Heartbeat)
	defer timer.Stop()
	for {
		timer.Reset(time.Until(s.batch.size().Due(s.sentAt)))
		var err error
		select {
		case it := <-s.items:
			err = s.take(it)
		case <-s.changed:
			s.enlist(ctx, nil)
		case <-timer.C:
			err = s.send()
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
	}
}

// enlist opens legs to members of the scope that have none: first to those in some, then to all known ones.
func (s *eventStream) enlist(ctx context.Context, some []member.Member) {
	s.changed = s.node.roster.Changed()
	if s.plan.types == nil {
		return
	}
	for _, m := range slices.Concat(some, s.node.roster.Known()) {
		if m.Self || s.legs[m.Node] || !s.plan.covers(m.Node) {
			continue
		}
		if l := s.legTo(m); l != nil {
			s.legs[m.Node] = true
			s.wait.Go(func() { l.run(ctx) })
		}
	}
}

// legTo returns a leg to a node that begins after the caller's position, or nil if there is nothing to follow.
func (s *eventStream) legTo(m member.Member) *leg {
	l := &leg{stream: s, member: m, room: &room.Room{Pool: s.node.shares.streams, Party: exchange.PartyOf(s.caller),
		Revoke: s.revoke}}
	at, has := s.vector.At(m.Node)
	last, departed := s.departed[m.Node]
	switch {
	case has && !m.Asked() && event.CompareIncarnations(at.Incarnation, m.Incarnation) > 0:
		return nil // the known life is over: the cursor is of a later one
	case has:
		l.resume, l.told = true, at
	case s.snapshot != nil && s.snapshot.pending[m.Node]:
		l.snapshot, l.told = true, event.Cursor{Origin: m.Origin, Sequence: m.Head}
		l.part = exchange.NewPatience(s.plan.wait)
	case m.State == pb.NodeState_NODE_STATE_LEFT:
		return nil
	case departed && last.Origin == m.Origin:
		l.resume, l.told = true, last
	default:
		l.told = event.Cursor{Origin: m.Origin, Sequence: max(m.Oldest, 1) - 1}
	}
	return l
}

func (s *eventStream) take(it item) error {
	switch {
	case it.err != nil:
		return s.end(it.err)
	case it.missing:
		return s.snapshotLacks(it.node)
	}
	if !s.batch.size().Fits(it.size()) {
		if err := s.send(); err != nil {
			return err
		}
	}
	s.batch.add(it)
	if it.gone {
		s.depart(it.node, it.cursor)
	} else if it.cursor.Node != "" {
		s.vector = s.vector.Set(it.cursor)
	}
	if it.complete {
		return s.snapshotHas(it.node, it.present)
	}
	if s.batch.size().Full() {
		return s.send()
	}
	return nil
}

// depart forgets a node's position, because nothing can be resumed there.
func (s *eventStream) depart(node string, told event.Cursor) {
	s.vector = s.vector.Delete(node)
	delete(s.legs, node)
	if len(s.departed) >= maxDeparted {
		clear(s.departed)
	}
	s.departed[node] = told
	again := make(chan struct{}) // the node may be back already
	close(again)
	s.changed = again
}

// end sends the events so far and returns the error that ends the stream.
func (s *eventStream) end(err error) error {
	var p *panicError
	if errors.As(err, &p) {
		panic(p.text) // in the goroutine of the call, where it is recovered and logged
	}
	if s.batch.count > 0 {
		if err := s.send(); err != nil {
			return err
		}
	}
	return err
}

// send sends the batch with the vector, or a heartbeat if the batch is empty. During a snapshot it sends neither a
// vector nor a heartbeat.
func (s *eventStream) send() error {
	response := &pb.StreamEventsResponse{}
	switch {
	case s.snapshot == nil:
		if s.plan.types == nil && s.batch.count == 0 {
			s.passOthers()
		}
		response.Cursor = s.cursor()
	case s.batch.count == 0:
		s.sentAt = time.Now()
		return nil
	}
	response.ProtoReflect().SetUnknown(s.batch.events)
	sent := s.batch
	s.batch = batch{}
	err := s.pass(response)
	sent.free()
	s.sentAt = time.Now()
	return err
}

// pass sends a response. It waits for the caller, but not when what the call holds is needed: gRPC ends a Send under
// way when its call has returned.
func (s *eventStream) pass(response *pb.StreamEventsResponse) error {
	sent := make(chan error, 1)
	go func() { sent <- s.server.Send(response) }()
	select {
	case err := <-sent:
		return err
	case <-s.revoked:
		return errStreamGaveWay
	}
}

// cursor returns the cursor that resumes after the events that were sent. Without a position of any node that is the
// beginning, not the end, as "" would be.
func (s *eventStream) cursor() string {
	if len(s.vector) == 0 {
		return "0"
	}
	return s.vector.String()
}

// passOthers moves the positions of other nodes to their newest known events, because none of these events is selected.
// It drops the positions of nodes that have left or were forgotten.
func (s *eventStream) passOthers() {
	passed := make(map[string]bool)
	for _, m := range s.node.roster.All() {
		at, has := s.vector.At(m.Node)
		if m.Self || !s.plan.covers(m.Node) {
			continue
		}
		passed[m.Node] = true
		if !has || at.Incarnation != m.Incarnation && m.Asked() || at.Incarnation == m.Incarnation && at.Sequence < m.Head {
			s.vector = s.vector.Set(event.Cursor{Origin: m.Origin, Sequence: m.Head})
		}
	}
	for name := range s.legs {
		if !passed[name] {
			s.vector = s.vector.Delete(name)
		}
	}
	s.legs = passed
}

// sendEncoded sends a response that is encoded already. It sends it as unknown fields, which encode to the same bytes.
func sendEncoded(server pb.GatewayService_StreamEventsServer, b []byte) error {
	response := &pb.StreamEventsResponse{}
	response.ProtoReflect().SetUnknown(b)
	return server.Send(response)
}
