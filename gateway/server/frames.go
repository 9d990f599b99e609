package server

import (
	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/framing"
)

// cutFrames passes the frames that a read completes to the handler. It is not inlined into Received, as publishData is
// not.
//
//go:noinline
func (c endpoint) cutFrames(p []byte, at moment) {
	h := c.takeHalf(len(p))
	if h == nil {
		c.discard(len(p))
		return
	}
	defer c.fed(h)
	h.Feed(p, func(frame []byte) { c.deliver(h, frame) })
	if l := c.owner.server.limits.Load(); l.rated() {
		c.rate(len(p), h.Frames, at, l)
	}
}

// takeHalf returns the half frame of earlier reads, or an empty one for a read of n bytes; nil when the half frame was
// lost with the beginning of the end.
func (c endpoint) takeHalf(n int) *framing.Half {
	if c.behind.Load() == 0 {
		return framing.Take(&c.owner.rules, c.received.Load()-uint64(n))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.rare().half
	if h != nil {
		h.Feeding = true
	}
	return h
}

// deliver calls the handler for one frame, unless the connection is ending.
func (c endpoint) deliver(h *framing.Half, frame []byte) {
	if c.marked(markEnds) {
		return // fed counts it
	}
	position := h.Position()
	c.behind.Store(uint32(c.received.Load() - position))
	h.Delivered = position
	h.Frames++
	if c.owner.server.log.Tapped() {
		c.publishData(frame)
	}
	c.owner.config.Handler.Data(c.Conn, frame)
}

// fed follows the calls for the frames of a read, as handled follows one call.
func (c endpoint) fed(h *framing.Half) {
	if v := recover(); v != nil {
		c.endAfterPanic(v)
	}
	c.keepHalf(h)
	c.leave()
}

// keepHalf keeps the half frame that a read has left, without a lock if there is none. Bytes that no handler gets are
// counted as discarded.
func (c endpoint) keepHalf(h *framing.Half) {
	received := c.received.Load()
	if !h.Feeding && h.Fault == nil && h.Position() == received && !c.marked(markEnds) {
		c.behind.Store(0)
		h.Give()
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	h.Feeding = false
	c.owner.server.held.Add(int64(h.Grown()))
	c.rarely().half = h
	fault := h.Refusal(received, c.owner.server.held.Bytes(), c.owner.server.limits.Load().HandlerBudget)
	switch {
	case c.ending != nil:
		c.loseHalf(received - h.Delivered)
	case fault != "":
		c.loseHalf(received - h.Position())
		c.beginEnd(ending{reason: ReasonFrame, text: fault, answering: true}, c.owner.server.config.CloseTimeout)
	case h.Position() == received:
		c.loseHalf(0)
	default:
		c.behind.Store(uint32(received - h.Position()))
		h.Await(c, c.owner.server.now(), !c.readingPaused())
	}
}

// loseHalf gives up the half frame, and counts lost bytes that no handler gets. The caller holds mu.
func (c *Conn) loseHalf(lost uint64) {
	r := c.rarely()
	c.owner.server.held.Add(-int64(r.half.Memory()))
	r.half.Give()
	r.half = nil
	r.lost += lost
	c.behind.Store(0)
	c.tidy()
}

// waitingHalf returns the half frame that waits for its rest; nil for none. The caller holds mu.
func (c *Conn) waitingHalf() *framing.Half {
	if h := c.rare().half; h != nil && !h.Feeding {
		return h
	}
	return nil
}

// dropHalf gives up the half frame of a connection whose peer has finished, or that is ending. It returns how many
// bytes of it had come. A read that is being cut does it itself when it is done. The caller holds mu.
func (c *Conn) dropHalf() (lost uint64) {
	if h := c.waitingHalf(); h != nil {
		lost = c.received.Load() - h.Position()
		c.loseHalf(lost)
	}
	return lost
}

// endHalf tells of half a frame whose peer has finished. The caller holds mu.
func (c *Conn) endHalf() {
	if lost := c.dropHalf(); lost > 0 {
		c.publish(event.Error, &event.ErrorDetail{Operation: event.OpRead, Count: 1,
			Message: event.ShortText(framing.Lost(lost, c.received.Load()-lost))})
	}
}

// HalfExpired implements framing.Owner.
func (c endpoint) HalfExpired(h *framing.Half) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rare().half != h || !h.Expired(c.owner.server.now()) {
		return
	}
	text := h.Late(c.received.Load() - h.Position())
	c.beginEnd(ending{reason: ReasonFrame, text: text, answering: true}, c.owner.server.config.CloseTimeout)
}
