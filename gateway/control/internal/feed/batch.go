package feed

import (
	"slices"

	"google.golang.org/grpc/mem"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	"github.com/sockgate/sockgate/gateway/internal/wire"
)

// Batch is one encoded response of events, and its place in the log. The holder of a Batch holds a reference to its
// buffer.
type Batch struct {
	from, To event.Position   // before the first event, and after everything that was passed over after the last
	behind   []event.Position // the position after each event
	Ends     []int            // offset in the buffer at which each event ends
	Missed   uint64           // kept events that its GAPs stand for
	gap      bool             // it contains a GAP
	Buffer   mem.Buffer       // the encoded response

	left int // followers that have not taken it; guarded by feed.mu
}

// Remainder returns the part of a batch that is new to a stream at a position: the buffer or a part of it, with a
// reference of its own, or nil if nothing is new. It reports false if a GAP in the batch makes that unclear.
func (b *Batch) Remainder(at event.Position) (mem.Buffer, bool) {
	passed := 0
	for passed < len(b.behind) && at.Covers(b.behind[passed]) {
		passed++
	}
	switch {
	case at.Covers(b.To):
		return nil, true
	case b.gap && at != b.from:
		return nil, false
	case passed == 0:
		b.Buffer.Ref()
		return b.Buffer, true
	}
	return b.Buffer.Slice(b.Ends[passed-1], b.Buffer.Len()), true
}

// BatchEncoder makes batches of events. It is for use by one goroutine.
type BatchEncoder struct {
	Events *wire.EventEncoder // encodes each event
	Pool   *BufferPool        // has the memory of batches
	bytes  *[]byte            // of the batch being made
}

// Encode makes a batch of the events that sub has delivered since a position. It makes more than one if they do not fit
// into one response. The caller owns their buffers.
func (c *BatchEncoder) Encode(events []event.Event, from event.Position, sub *event.Subscription) []*Batch {
	var done []*Batch
	b := c.begin(from, len(events))
	for i := range events {
		start := len(*c.bytes)
		*c.bytes = c.Events.AppendEvent(*c.bytes, &events[i])
		if !(contract.Batch{Events: len(b.Ends), Bytes: start}).Fits(contract.Batch{Events: 1,
			Bytes: len(*c.bytes) - start}) {
			over := (*c.bytes)[start:]
			*c.bytes = (*c.bytes)[:start]
			rest := slices.Clone(over)
			done = append(done, c.finish(b, b.To, b.To.Cursor(c.Events.Origin)))
			b = c.begin(b.To, len(events)-i)
			*c.bytes = append(*c.bytes, rest...)
		}
		b.add(&events[i], len(*c.bytes))
	}
	return append(done, c.finish(b, sub.Position(), sub.Cursor()))
}

func (c *BatchEncoder) begin(from event.Position, events int) *Batch {
	c.bytes = c.Pool.Get(0)
	return &Batch{from: from, To: from, behind: make([]event.Position, 0, events), Ends: make([]int, 0, events)}
}

// add takes note of an event whose encoding ends at end.
func (b *Batch) add(e *event.Event, end int) {
	b.To = b.To.Behind(e)
	b.behind, b.Ends = append(b.behind, b.To), append(b.Ends, end)
	if d, ok := e.Detail.(*event.GapDetail); ok {
		b.gap = true
		if d.To > 0 {
			b.Missed += d.To - d.From + 1
		}
	}
}

// finish adds the cursor. A batch that fills little of its buffer is copied to a buffer of its own size.
func (c *BatchEncoder) finish(b *Batch, to event.Position, cursor event.Cursor) *Batch {
	b.To = to
	*c.bytes = wire.AppendText(*c.bytes, 2, cursor.String())
	if len(*c.bytes) < cap(*c.bytes)/2 {
		b.Buffer = mem.SliceBuffer(slices.Clone(*c.bytes))
		c.Pool.Put(c.bytes)
	} else {
		b.Buffer = mem.NewBuffer(c.bytes, c.Pool)
	}
	c.bytes = nil
	return b
}
