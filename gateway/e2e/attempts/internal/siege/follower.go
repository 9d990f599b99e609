//go:build linux

package siege

import (
	"context"
	"fmt"
	"sync"
	"time"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// Follower follows all events of a gateway, and checks that none is skipped in silence: each has the next number, or a
// GAP says which are missing. After a stream's end it goes on where it was.
type Follower struct {
	// Each is called for each event, in the follower's goroutine. Nil: not.
	Each func(e *pb.Event)

	mu     sync.Mutex
	seen   Seen
	next   uint64
	cursor string
}

// Seen is what a follower has seen since the last Take.
type Seen struct {
	Events  int
	Gaps    int    // GAP events
	Missed  uint64 // events that they stand for
	Ends    int    // of its stream
	LastEnd string
	Faults  []string // events that are out of order, or that are missing without a GAP
}

// Run follows until the context ends. Ready is called when the first stream is open.
func (f *Follower) Run(ctx context.Context, c pb.GatewayServiceClient, ready func()) {
	for ctx.Err() == nil {
		err := f.follow(ctx, c, ready)
		if ctx.Err() != nil {
			return
		}
		ready = func() {}
		f.mu.Lock()
		f.seen.Ends++
		f.seen.LastEnd = fmt.Sprint(err)
		f.mu.Unlock()
		sleepUntil(ctx, time.Now().Add(100*time.Millisecond))
	}
}

func (f *Follower) follow(ctx context.Context, c pb.GatewayServiceClient, ready func()) error {
	request := &pb.StreamEventsRequest{After: f.cursor, Snapshot: f.cursor == "", Filter: ""}
	stream, err := c.StreamEvents(ctx, request)
	for err == nil {
		var batch *pb.StreamEventsResponse
		if batch, err = stream.Recv(); err == nil {
			f.take(batch)
			if f.cursor != "" {
				ready()
			}
		}
	}
	return err
}

func (f *Follower) take(batch *pb.StreamEventsResponse) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range batch.GetEvents() {
		f.check(e)
		if f.Each != nil {
			f.Each(e)
		}
	}
	if batch.GetCursor() != "" {
		f.cursor = batch.GetCursor()
	}
}

// check follows the numbers. The caller holds mu.
func (f *Follower) check(e *pb.Event) {
	switch e.GetType() {
	case pb.EventType_EVENT_TYPE_PRESENT:
		return
	case pb.EventType_EVENT_TYPE_SNAPSHOT_COMPLETE:
		f.next = e.GetSequence() + 1
		return
	case pb.EventType_EVENT_TYPE_GAP:
		gap := e.GetGap()
		f.seen.Gaps++
		if gap.GetTo() >= gap.GetFrom() && gap.GetFrom() > 0 {
			f.seen.Missed += gap.GetTo() - gap.GetFrom() + 1
			f.expect(gap.GetFrom(), "the gap's first")
			f.next = gap.GetTo() + 1
		}
		return
	}
	f.seen.Events++
	f.expect(e.GetSequence(), e.GetType().String())
	f.next = e.GetSequence() + 1
}

func (f *Follower) expect(got uint64, what string) {
	if f.next != 0 && got != f.next && len(f.seen.Faults) < 10 {
		f.seen.Faults = append(f.seen.Faults, fmt.Sprintf("%s is %d; expected %d", what, got, f.next))
	}
}

// Take returns what was seen since the last Take.
func (f *Follower) Take() Seen {
	f.mu.Lock()
	defer f.mu.Unlock()
	seen := f.seen
	f.seen = Seen{}
	return seen
}
