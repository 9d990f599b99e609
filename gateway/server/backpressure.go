package server

import (
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/pause"
)

// pauseIfHigh pauses reading from a peer with more than HighWater bytes in its queue. While the queue budget is scarce,
// any byte in the queue is enough. The caller holds mu.
func (c *Conn) pauseIfHigh() {
	b, l := c.sending, c.owner.server.limits.Load()
	if b.paused != 0 || c.ending != nil || b.queue.Size <= l.HighWater && !c.owner.server.scarce(l) {
		return
	}
	b.paused = c.owner.server.now()
	c.owner.server.counters.ReadPauses.Add(1)
	c.stopReading()
	if b.announce == nil {
		b.announce = time.AfterFunc(pause.Lasting, c.announcePause)
	}
}

// announcePause publishes an event about a pause that lasts. Pauses that begin and end while its timer runs share the
// timer, so that bulk traffic does not make one for each pause.
func (c *Conn) announcePause() {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.sending
	if b == nil { // closed
		return
	}
	if b.paused == 0 || c.has(flagDone) {
		b.announce = nil
		c.dropSending()
		return
	}
	paused := c.owner.server.since(b.paused)
	if paused < pause.Lasting {
		b.announce.Reset(pause.Lasting - paused)
		return
	}
	b.announce = nil
	c.flags |= flagAnnounced
	c.publish(event.BackpressureOn, &event.PauseDetail{Paused: paused, Queued: uint64(b.queue.Size),
		Cause: event.CauseSendQueue})
}

// resumeIfLow resumes reading when the queue has LowWater bytes or fewer. While the queue budget is scarce, the queue
// must be empty. It reports whether reading was paused. The caller holds mu.
func (c *Conn) resumeIfLow() bool {
	l := c.owner.server.limits.Load()
	n := c.queued()
	return (n == 0 || n <= l.LowWater && !c.owner.server.scarce(l)) && c.resume()
}

// resume ends a pause that the send queue caused, and reports whether there was one. The caller holds mu.
func (c *Conn) resume() bool {
	b := c.sending
	if b == nil || b.paused == 0 {
		return false
	}
	paused := c.owner.server.since(b.paused)
	b.paused = 0
	c.readOn()
	if c.has(flagAnnounced) {
		c.flags &^= flagAnnounced
		c.publish(event.BackpressureOff, &event.PauseDetail{Paused: paused, Queued: uint64(b.queue.Size),
			Cause: event.CauseSendQueue})
	}
	return true
}

// readingPaused reports whether the send queue, a receive rate, the handler or maxDiscarded pauses reading. The caller
// holds mu.
func (c *Conn) readingPaused() bool {
	return c.has(flagHandlerPause) || c.sated() || c.sending != nil && c.sending.paused != 0 ||
		c.extra != nil && c.extra.rate != nil && c.extra.rate.Paused
}

// stopReading pauses reading. The caller holds mu, and notes the cause.
func (c *Conn) stopReading() {
	c.socket.Pause()
	if h := c.waitingHalf(); h != nil {
		h.Rest(c.owner.server.now())
	}
}

// readOn resumes reading, unless there is still a cause to pause it. The caller holds mu.
func (c *Conn) readOn() {
	if c.readingPaused() {
		return
	}
	c.socket.Resume()
	if h := c.waitingHalf(); h != nil {
		h.Run(c.owner.server.now())
	}
}
