package exchange

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	fleetv1 "github.com/sockgate/sockgate/gen/sockgate/fleet/v1"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const (
	// followSilence is how long a node that has room may send nothing on a stream before the stream is ended. StreamEvents
	// has a heartbeat every 5 s.
	followSilence = 12 * time.Second
	// followCredit is how often a node is told that its stream is still followed. Together with housePeriod it stays below
	// the 5 s of the contract.
	followCredit = 3 * time.Second
	// lingering is how long to wait for the last items of a node that left or restarted, because they travel on another
	// subject than that news.
	lingering = time.Second
)

// followed is a stream of another node. At most the window waits to be taken: a node that sends more ends the stream.
// It is for use by one goroutine, except the methods of an addressee.
type followed struct {
	x      *Exchange
	id     messageID
	life   event.Origin
	began  time.Time
	wake   chan struct{} // capacity 1: an item came, or the end
	room   func(size int) bool
	goneAt time.Time // when the roster reported that this life is over; only Next uses it

	mu         sync.Mutex
	items      [][]byte // not taken yet
	bytes      int      // of these items
	received   uint64   // number of the newest item
	taken      uint64
	creditedAt time.Time
	credited   uint64    // number up to which the node was told that items were taken
	heardAt    time.Time // when an item last came or was taken: since then there is room, and an item should come
	end        *StreamEnd
}

// Follow opens a stream at another node (see Asker).
func (x *Exchange) Follow(ctx context.Context, to member.Member, q Question) Stream {
	now := time.Now()
	f := &followed{x: x, id: newMessageID(), life: to.Origin, began: now, wake: make(chan struct{}, 1), creditedAt: now,
		heardAt: now, room: q.Room}
	if !to.Asked() {
		f.end = &StreamEnd{NotAsked(&to)}
		return f
	}
	if problem := x.enter(f.id, f); problem != "" {
		f.finish(Answer{Status: pb.NodeStatus_NODE_STATUS_UNREACHABLE, Message: problem}, false)
		return f
	}
	r := &fleetv1.Request{Method: q.Method, Body: q.Body, Caller: callerOf(q.Caller), Window: windowItems,
		Targets: []*fleetv1.Target{target(&to, now, patience(ctx, q.Wait))}}
	if err := x.request(to.Node, f.id, r); err != nil {
		f.finish(unsent(err), false)
	}
	return f
}

// Next returns the next item, and takes it.
func (f *followed) Next(ctx context.Context) ([]byte, error) {
	for {
		changed := f.x.roster.Changed()
		if item, ok, err := f.take(); ok || err != nil {
			return item, err
		}
		if err := f.await(ctx, changed); err != nil {
			return nil, err
		}
	}
}

// take takes an item if there is one, and lets the node send more. The error is a *StreamEnd.
func (f *followed) take() (item []byte, ok bool, err error) {
	f.mu.Lock()
	if len(f.items) == 0 {
		defer f.mu.Unlock()
		if f.end != nil {
			return nil, false, f.end
		}
		return nil, false, nil
	}
	item, f.items[0] = f.items[0], nil
	f.items = f.items[1:]
	f.bytes -= len(item)
	f.taken++
	f.heardAt = time.Now()
	// Not every item is worth a message. But if nothing is left here, the node may have no room.
	tell := f.end == nil && (len(f.items) == 0 || f.taken-f.credited >= windowItems/2)
	f.mu.Unlock()
	if tell {
		f.credit()
	}
	return item, true, nil
}

// credit tells the node how far the stream was taken, and that it is still followed.
func (f *followed) credit() {
	f.mu.Lock()
	taken := f.taken
	f.credited, f.creditedAt = taken, time.Now()
	f.mu.Unlock()
	e := &fleetv1.Envelope{Id: f.id[:], Body: &fleetv1.Envelope_Credit{Credit: &fleetv1.Credit{Taken: taken}}}
	if err := f.x.put(f.x.subjects.Ask(f.x.self.Node, f.life.Node), e); err != nil {
		f.x.ignored.note(ignoredUnsent, f.life.Node)
	}
}

// await waits until an item comes or the stream ends, also for lack of items. The error is that of ctx.
func (f *followed) await(ctx context.Context, changed <-chan struct{}) error {
	status, message, patience := f.prospects()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-f.wake:
	case <-changed:
	case <-timer.C:
		f.finish(Answer{Status: status, Message: message}, true)
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// prospects says how long to wait for the next item, and the status that ends the stream if none comes. After a node
// leaves, wait briefly for its last items; expect nothing from an unreachable node.
func (f *followed) prospects() (status pb.NodeStatus, message string, patience time.Duration) {
	f.mu.Lock()
	heardAt := f.heardAt
	f.mu.Unlock()
	switch status, message = f.x.fate(f.life); status {
	case pb.NodeStatus_NODE_STATUS_UNSPECIFIED:
		f.goneAt = time.Time{}
		return pb.NodeStatus_NODE_STATUS_TIMED_OUT, fmt.Sprintf("nothing came of the stream for %s", followSilence),
			followSilence - time.Since(heardAt)
	case pb.NodeStatus_NODE_STATUS_UNREACHABLE:
		return status, message, 0
	}
	if f.goneAt.IsZero() {
		f.goneAt = time.Now()
	}
	return status, message, lingering - time.Since(f.goneAt)
}

// Close tells the node that the stream is no longer followed.
func (f *followed) Close() {
	f.finish(Answer{Status: pb.NodeStatus_NODE_STATUS_OK, Message: "it was closed"}, true)
}

// finish ends the stream unless it has ended. Items that came may still be taken. With tell it tells the node, which
// may still be sending.
func (f *followed) finish(a Answer, tell bool) {
	f.mu.Lock()
	ended := f.end != nil
	if !ended {
		a.Node, a.Elapsed = f.life.Node, time.Since(f.began)
		f.end = &StreamEnd{a}
	}
	f.mu.Unlock()
	if ended {
		return
	}
	f.x.leave(f.id)
	if tell {
		f.x.cancel(f.life.Node, f.id)
	}
	f.rouse()
}

func (f *followed) rouse() {
	select {
	case f.wake <- struct{}{}:
	default: // Next is awake already
	}
}

// Methods of an addressee.

func (f *followed) awaits(node string) bool { return node == f.life.Node }

// item keeps an item until it is taken.
func (f *followed) item(node string, i *fleetv1.Item) {
	fault, ok := f.keep(i)
	switch {
	case fault.Status != pb.NodeStatus_NODE_STATUS_UNSPECIFIED:
		f.finish(fault, true)
	case ok:
		f.rouse()
	default:
		f.x.ignored.note(ignoredDuplicate, node)
	}
}

// keep queues an item. It returns ok false for an item that came before. A fault ends the stream.
func (f *followed) keep(i *fleetv1.Item) (fault Answer, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	size := len(i.GetBody())
	switch {
	case f.end != nil || i.GetNumber() <= f.received:
		return Answer{}, false
	case i.GetNumber() > f.received+1:
		return lost(f.received+1, i.GetNumber()-1), false
	case len(f.items) >= windowItems || len(f.items) > 0 && f.bytes+size > windowBytes:
		return broken(fmt.Sprintf("the node sent more than the %d items or %d bytes that it may without being told that "+
			"they were taken",
			windowItems, windowBytes)), false
	case f.room != nil && !f.room(size):
		return Answer{Status: pb.NodeStatus_NODE_STATUS_OVERLOADED,
			Message: "there is no room here for what it sent: the caller's streams hold their share"}, false
	}
	f.items = append(f.items, i.GetBody())
	f.bytes += size
	f.received++
	f.heardAt = time.Now()
	return Answer{}, true
}

// lost is the end of a stream with missing items.
func lost(first, last uint64) Answer {
	return Answer{Status: pb.NodeStatus_NODE_STATUS_TIMED_OUT,
		Message: fmt.Sprintf("items %d to %d of the stream were lost on the way", first, last)}
}

// broken is the end of a stream that violates the contract.
func broken(text string) Answer {
	return Answer{Status: pb.NodeStatus_NODE_STATUS_ERROR, Message: text, Err: status.Error(codes.Internal, text)}
}

// reply ends the stream: it is the last message of it. If it counts more items than came, the last ones were lost.
func (f *followed) reply(node string, r *fleetv1.Reply) {
	f.mu.Lock()
	received := f.received
	f.mu.Unlock()
	switch {
	case r.GetStatus() != pb.NodeStatus_NODE_STATUS_RESTARTED && r.GetIncarnation() != f.life.Incarnation:
		f.x.ignored.note(ignoredLife, node)
	case r.GetItems() > received:
		f.finish(lost(received+1, r.GetItems()), false)
	default:
		f.finish(answerOf(r), false)
	}
}

func (f *followed) abandon() {
	f.finish(Answer{Status: pb.NodeStatus_NODE_STATUS_UNREACHABLE, Message: leavingText}, true)
}

// keepFollowing tells the nodes of quiet streams that they are still followed.
func (x *Exchange) keepFollowing() {
	x.mu.Lock()
	var quiet []*followed
	for _, a := range x.open {
		if f, ok := a.(*followed); ok && f.quiet() {
			quiet = append(quiet, f)
		}
	}
	x.mu.Unlock()
	for _, f := range quiet {
		f.credit()
	}
}

// quiet reports whether the node has not been told recently that its stream is followed.
func (f *followed) quiet() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.end == nil && time.Since(f.creditedAt) >= followCredit
}
