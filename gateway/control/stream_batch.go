package control

import (
	"slices"

	"google.golang.org/grpc/mem"

	"github.com/sockgate/sockgate/gateway/event"
)

// batch is one response of events, encoded, and where it lies in the log. Whoever has it holds a reference to its buffer.
type batch struct {
	from, to event.Position   // before the first event, and behind everything that was passed over after the last
	behind   []event.Position // behind each event
	ends     []int            // where each event ends in the buffer
	missed   uint64           // kept events that its GAPs stand for
	gap      bool             // it has a GAP
	buffer   mem.Buffer

	left int // followers that have not taken it; guarded by feed.mu
}

// remainder returns what of a batch is new to a stream that has come to a position: its buffer, or a part of it, with a
// reference of its own; nil when nothing is. It reports false when a GAP makes that unclear.
func (b *batch) remainder(at event.Position) (mem.Buffer, bool) {
	passed := 0
	for passed < len(b.behind) && at.Covers(b.behind[passed]) {
		passed++
	}
	switch {
	case at.Covers(b.to):
		return nil, true
	case b.gap && at != b.from:
		return nil, false
	case passed == 0:
		b.buffer.Ref()
		return b.buffer, true
	}
	return b.buffer.Slice(b.ends[passed-1], b.buffer.Len()), true
}

// batchEncoder makes batches of events. It is for one goroutine.
type batchEncoder struct {
	events *eventEncoder
	pool   *bufferPool
	bytes  *[]byte // of the batch under way
}

// encode makes one batch of what sub has delivered from a position on, or more when a response has no room for all of it. The
// caller owns their buffers.
func (c *batchEncoder) encode(events []event.Event, from event.Position, sub *event.Subscription) []*batch {
	var done []*batch
	b := c.begin(from, len(events))
	for i := range events {
		start := len(*c.bytes)
		*c.bytes = c.events.appendEvent(*c.bytes, &events[i])
		if len(*c.bytes) > maxResponse && start > 0 {
			over := (*c.bytes)[start:]
			*c.bytes = (*c.bytes)[:start]
			rest := slices.Clone(over)
			done = append(done, c.finish(b, b.to, b.to.Cursor(c.events.origin)))
			b = c.begin(b.to, len(events)-i)
			*c.bytes = append(*c.bytes, rest...)
		}
		b.add(&events[i], len(*c.bytes))
	}
	return append(done, c.finish(b, sub.Position(), sub.Cursor()))
}

func (c *batchEncoder) begin(from event.Position, events int) *batch {
	c.bytes = c.pool.Get(0)
	return &batch{from: from, to: from, behind: make([]event.Position, 0, events), ends: make([]int, 0, events)}
}

// add takes note of an event that was appended up to end.
func (b *batch) add(e *event.Event, end int) {
	b.to = b.to.Behind(e)
	b.behind, b.ends = append(b.behind, b.to), append(b.ends, end)
	if d, ok := e.Detail.(*event.GapDetail); ok {
		b.gap = true
		if d.To > 0 {
			b.missed += d.To - d.From + 1
		}
	}
}

// finish adds the cursor. The batch gets a buffer of its own size when it needs little of the one that it was made in.
func (c *batchEncoder) finish(b *batch, to event.Position, cursor event.Cursor) *batch {
	b.to = to
	*c.bytes = appendText(*c.bytes, 2, cursor.String())
	if len(*c.bytes) < cap(*c.bytes)/2 {
		b.buffer = mem.SliceBuffer(slices.Clone(*c.bytes))
		c.pool.Put(c.bytes)
	} else {
		b.buffer = mem.NewBuffer(c.bytes, c.pool)
	}
	c.bytes = nil
	return b
}
