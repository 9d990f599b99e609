package bench

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/sockgate/sockgate/ctl/internal/app"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// eventReader reads one stream of `ctl bench events`.
type eventReader struct {
	bench  *eventsBench
	client *app.Client
	stream app.EventStream
	done   context.CancelFunc
	ctx    context.Context
	lag    *latencyShard
	ended  chan struct{} // closed: nothing more comes

	mu      sync.Mutex
	cursor  string
	target  *app.Position
	reached chan struct{} // closed: target

	// Read when ended is closed.
	received, gaps, missed, missedData int64
	missedUnknown                      int64  // gaps that do not say how many events they stand for
	silent                             int64  // missing, and no GAP said so
	last                               uint64 // sequence of the last kept event, or of the end of a gap
}

// openEventReader opens a stream behind the cursor. It lives as long as ctx.
func openEventReader(ctx context.Context, e *eventsBench, cursor string, number int) (*eventReader, error) {
	at, err := app.ParsePosition(cursor)
	if err != nil {
		return nil, err
	}
	c, err := e.app.Connect()
	if err != nil {
		return nil, err
	}
	r := &eventReader{bench: e, client: c, ctx: ctx, lag: e.lag.shard(number), ended: make(chan struct{}), cursor: cursor,
		last: at.Sequence}
	r.stream, r.done, err = e.app.OpenStream(ctx, c, &pb.StreamEventsRequest{After: cursor,
		Filter: e.options.filter, IncludeData: e.options.data,
		Scope: &pb.Scope{Local: true}}) // the sequences that it checks are of one node
	if err != nil {
		c.Close()
		return nil, err
	}
	return r, nil
}

func (r *eventReader) close() {
	r.done()
	r.client.Close()
}

// run reads until the stream ends.
func (r *eventReader) run() {
	defer close(r.ended)
	for {
		resp, err := r.stream.Recv()
		if err != nil {
			if r.ctx.Err() == nil {
				r.fail(err)
			}
			return
		}
		r.take(resp.GetEvents(), time.Now())
		r.advance(resp.GetCursor())
	}
}

func (r *eventReader) fail(err error) {
	if !errors.Is(err, io.EOF) {
		err = &controlError{r.client.Wrap(err, nil)}
	}
	r.bench.failures.add(err)
}

// take counts the events of a batch.
func (r *eventReader) take(events []*pb.Event, now time.Time) {
	r.lag.mu.Lock()
	defer r.lag.mu.Unlock()
	for _, e := range events {
		if gap := e.GetGap(); gap != nil {
			r.gap(gap)
			continue
		}
		r.received++
		r.lag.add(now.Sub(e.GetTime().AsTime()))
		if e.GetType() == pb.EventType_EVENT_TYPE_DATA || r.bench.options.filter != "" {
			continue
		}
		if sequence := e.GetSequence(); sequence != r.last+1 {
			r.silent += max(1, int64(sequence)-int64(r.last)-1)
		}
		r.last = e.GetSequence()
	}
}

// gap counts the events that the stream reports as not delivered.
func (r *eventReader) gap(g *pb.GapDetails) {
	r.gaps++
	switch {
	case g.GetReason() == pb.GapReason_GAP_REASON_DATA_OVERFLOW:
		r.missedData += int64(g.GetDataEvents())
	case g.GetTo() == 0:
		r.missedUnknown++
	default:
		r.missed += int64(g.GetTo()-g.GetFrom()) + 1
		r.last = g.GetTo()
	}
}

// advance notes the position of the stream.
func (r *eventReader) advance(cursor string) {
	if cursor == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cursor = cursor
	r.tell()
}

// reaches returns a channel that is closed when the stream is at p.
func (r *eventReader) reaches(p *app.Position) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.target, r.reached = p, make(chan struct{})
	r.tell()
	return r.reached
}

func (r *eventReader) tell() {
	if r.target != nil && r.target.ReachedBy(r.cursor) {
		close(r.reached)
		r.target = nil
	}
}
