// Package framing cuts the bytes of connections into frames, and keeps the half frames of connections that have one.
package framing

import (
	"fmt"
	"sync"
	"time"

	"github.com/sockgate/sockgate/gateway/frame"
	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

// Rules say how the bytes of a listener's connections are cut.
type Rules struct {
	Format  frame.Format
	Limit   int           // most bytes of a frame
	Timeout time.Duration // longest that half a frame waits for the rest while the peer is read from
	Whole   bool          // frames are delivered with their header and delimiter
}

// Owner is the connection of a half frame.
type Owner interface {
	// HalfExpired is called without a lock when the time of h may be over; Expired says whether it is.
	HalfExpired(h *Half)
}

// Half cuts the bytes of one connection. A connection has it during a read, and between two reads only while half a
// frame has come. Deliver and Delivered belong to the goroutine that received the bytes; the connection's lock guards
// everything else, and the splitter while Feeding is not set.
type Half struct {
	Feeding   bool   // a read is being cut
	Fault     error  // why the bytes can be cut no further
	Frames    int    // frames that the read under way has delivered
	Delivered uint64 // position behind the last frame that was delivered

	splitter frame.Splitter
	rules    *Rules
	memory   int // what Grown has told of

	start uint64           // position of the frame that the clock is for
	spent time.Duration    // that it waited before since
	since transport.Moment // when the clock began to run
	runs  bool
	owner Owner       // set with the timer
	timer *time.Timer // made for the first half frame, and used again
	armed bool        // the timer runs, or its call is under way
}

var halves = sync.Pool{New: func() any { return new(Half) }}

// Take returns a Half for bytes whose first one has a position.
func Take(rules *Rules, position uint64) *Half {
	h := halves.Get().(*Half)
	h.splitter = *frame.NewSplitter(rules.Format, rules.Limit, int64(position))
	h.rules, h.Delivered, h.start = rules, position, position
	return h
}

// Give lets other connections use h. The caller has no use for it any more. The timer stays with its call, which may be
// under way.
func (h *Half) Give() {
	if h.armed && !h.timer.Stop() {
		return // its call reads h
	}
	*h = Half{}
	halves.Put(h)
}

// Feed cuts bytes, and calls each for every frame that is whole by now. It sets Fault when the bytes are no frames.
func (h *Half) Feed(p []byte, each func(frame []byte)) {
	h.Frames = 0
	h.Fault = h.splitter.Feed(p, func(payload []byte) {
		if h.rules.Whole {
			payload = h.splitter.Whole()
		}
		each(payload)
	})
}

// Position returns the position behind the last whole frame.
func (h *Half) Position() uint64 { return uint64(h.splitter.Position()) }

// Grown returns by how many bytes the memory of the half frame has grown since the last call.
func (h *Half) Grown() int {
	now := h.splitter.Held()
	grown := now - h.memory
	h.memory = now
	return grown
}

// Memory returns what all calls of Grown add up to.
func (h *Half) Memory() int { return h.memory }

// Await makes the half frame wait for its rest from a moment on. The clock of a frame begins with its first byte.
func (h *Half) Await(owner Owner, now transport.Moment, reading bool) {
	if at := h.Position(); at != h.start {
		h.start, h.spent, h.runs = at, 0, false
	}
	if h.owner == nil { // the timer's call may read it already
		h.owner = owner
	}
	if !reading {
		h.Rest(now)
		return
	}
	h.Run(now)
}

// Run lets the clock go on: the peer is read from.
func (h *Half) Run(now transport.Moment) {
	if h.runs {
		return
	}
	h.runs, h.since = true, now
	if !h.armed {
		h.arm(h.rules.Timeout - h.spent)
	}
}

// Rest stops the clock: the peer is not read from.
func (h *Half) Rest(now transport.Moment) {
	if h.runs {
		h.spent += time.Duration(now - h.since)
		h.runs = false
	}
}

// arm makes the timer call after a time. One timer serves all half frames that come while it runs, so that there is
// none for each read.
func (h *Half) arm(after time.Duration) {
	h.armed = true
	if h.timer == nil {
		h.timer = time.AfterFunc(after, h.expire)
		return
	}
	h.timer.Reset(after)
}

func (h *Half) expire() { h.owner.HalfExpired(h) }

// Expired reports whether the half frame has waited for too long. Otherwise the owner is called again in time. Only
// HalfExpired calls it.
func (h *Half) Expired(now transport.Moment) bool {
	h.armed = false
	if h.Feeding || !h.runs {
		return false
	}
	left := h.rules.Timeout - h.spent - time.Duration(now-h.since)
	if left > 0 {
		h.arm(left)
	}
	return left <= 0
}

// Late says that half a frame waited for too long. came is how many bytes of it there are.
func (h *Half) Late(came uint64) string {
	return fmt.Sprintf("frame of %s at byte %d: %d bytes of it came, and not the rest within %s", h.rules.Format, h.start,
		came, h.rules.Timeout)
}

// Refusal returns why the half frame cannot wait for the rest, or "" if it can: a fault of the frame, or a budget that
// is used up. received is the position behind what has come, and held is counted against the budget; 0 means no budget.
func (h *Half) Refusal(received uint64, held int64, budget int) string {
	switch {
	case h.Fault != nil:
		return h.Fault.Error()
	case budget > 0 && held > int64(budget) && h.Position() < received:
		return fmt.Sprintf("frame of %s at byte %d: %d bytes of it came, and half frames and unacknowledged bytes take all "+
			"of the handler budget", h.rules.Format, h.Position(), received-h.Position())
	}
	return ""
}

// Lost says that a peer finished when n bytes of a frame had come, the first at a position.
func Lost(n, position uint64) string {
	return fmt.Sprintf("the peer finished within a frame: %d bytes of it came, from byte %d on", n, position)
}
