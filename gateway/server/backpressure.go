package server

import (
	"time"

	"github.com/sockgate/sockgate/gateway/event"
)

// pauseAnnounce is how long reading has to be paused before it makes an event: shorter pauses are ordinary flow
// control.
const pauseAnnounce = 250 * time.Millisecond

// pauseIfHigh stops reading from a peer whose queue is over the high water, or has anything while the queue budget is
// scarce. The caller holds mu.
func (c *Conn) pauseIfHigh() {
	b, l := c.sending, c.owner.server.limits.Load()
	if b.paused != 0 || c.ending != nil || b.queue.Size <= l.HighWater && !c.owner.server.scarce(l) {
		return
	}
	b.paused = c.owner.server.now()
	c.owner.server.counters.readPauses.Add(1)
	c.socket.Pause()
	if b.announce == nil {
		b.announce = time.AfterFunc(pauseAnnounce, c.announcePause)
	}
}

// announcePause makes an event of a pause that lasts. Its timer is left alone by pauses that end and begin in the
// meantime, so that bulk traffic makes no timer for each.
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
	if paused < pauseAnnounce {
		b.announce.Reset(pauseAnnounce - paused)
		return
	}
	b.announce = nil
	c.flags |= flagAnnounced
	c.publish(event.BackpressureOn, &event.PauseDetail{Paused: paused, Queued: uint64(b.queue.Size)})
}

// resumeIfLow reads again when the queue is at the low water, or while the queue budget is scarce when it is empty. The
// caller holds mu.
func (c *Conn) resumeIfLow() {
	l := c.owner.server.limits.Load()
	if n := c.queued(); n == 0 || n <= l.LowWater && !c.owner.server.scarce(l) {
		c.resume()
	}
}

// resume ends a pause for the send queue. The caller holds mu.
func (c *Conn) resume() {
	b := c.sending
	if b == nil || b.paused == 0 {
		return
	}
	paused := c.owner.server.since(b.paused)
	b.paused = 0
	c.readOn()
	if c.has(flagAnnounced) {
		c.flags &^= flagAnnounced
		c.publish(event.BackpressureOff, &event.PauseDetail{Paused: paused, Queued: uint64(b.queue.Size)})
	}
}

// readOn reads again when neither the send queue nor a receive rate forbids it. The caller holds mu.
func (c *Conn) readOn() {
	if c.sending != nil && c.sending.paused != 0 || c.extra != nil && c.extra.rate != nil && c.extra.rate.paused {
		return
	}
	c.socket.Resume()
}
