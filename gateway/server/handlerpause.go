package server

import (
	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/pause"
)

// Pause stops reading from the peer until Resume, beside the pauses for the send queue and the receive rate. A second
// call does nothing, and neither does a call when the peer has finished or the connection is ending. At most one more
// read follows, which was on its way; its frames, and those of the read under way, are delivered too. A paused
// connection is not idle. A pause of 250 ms makes a BackpressureOn event, and its end a BackpressureOff. It does not
// block, and may be called from any goroutine.
func (c *Conn) Pause() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.has(flagHandlerPause|flagPeerEnded|flagDone|flagClosed) || c.ending != nil {
		return
	}
	c.flags |= flagHandlerPause
	c.owner.server.counters.HandlerPauses.Add(1)
	r := c.rarely()
	if r.pause == nil {
		r.pause = &pause.Pause{}
	}
	r.pause.Begin(c.owner.server.now(), c.lookAtPause)
	c.stopReading()
}

// Resume ends the pause that Pause began. Reading goes on unless something else pauses it, and an idle time begins
// anew. It does not block, and may be called from any goroutine.
func (c *Conn) Resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endPause()
}

// endPause does the work of Resume. The caller holds mu.
func (c *Conn) endPause() {
	if !c.has(flagHandlerPause) {
		return
	}
	c.flags &^= flagHandlerPause
	if paused, told := c.rare().pause.End(c.owner.server.now()); told && !c.has(flagClosed) {
		c.publish(event.BackpressureOff, &event.PauseDetail{Paused: paused, Queued: uint64(c.queued()),
			Cause: event.CauseHandler})
	}
	if !c.has(flagDone | flagClosed) {
		c.readOn()
	}
}

// lookAtPause publishes an event about a pause of the handler that lasts.
func (c *Conn) lookAtPause() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.has(flagDone | flagClosed) {
		return
	}
	if paused, lasts := c.rare().pause.Look(c.owner.server.now()); lasts {
		c.publish(event.BackpressureOn, &event.PauseDetail{Paused: paused, Queued: uint64(c.queued()),
			Cause: event.CauseHandler})
	}
}
