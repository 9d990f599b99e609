package server

import (
	"time"

	"github.com/sockgate/sockgate/gateway/event"
)

// pauseAnnounce is the shortest pause of reading that makes an event. Shorter pauses are ordinary flow control.
const pauseAnnounce = 250 * time.Millisecond

// pauseIfHigh pauses reading from a peer with more than HighWater bytes in its queue. While the queue budget is scarce,
// any byte in the queue is enough. The caller holds mu.
func (c *Conn) pauseIfHigh() {
	b, l := c.sending, c.owner.server.limits.Load()
	if b.paused != 0 || c.ending != nil || b.queue.Size <= l.HighWater && !c.owner.server.scarce(l) {
		return
	}
	b.paused = c.owner.server.now()
	c.owner.server.counters.ReadPauses.Add(1)
	c.socket.Pause()
	if b.announce == nil {
		b.announce = time.AfterFunc(pauseAnnounce, c.announcePause)
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
	if paused < pauseAnnounce {
		b.announce.Reset(pauseAnnounce - paused)
		return
	}
	b.announce = nil
	c.flags |= flagAnnounced
	c.publish(event.BackpressureOn, &event.PauseDetail{Paused: paused, Queued: uint64(b.queue.Size)})
}

// resumeIfLow resumes reading when the queue has LowWater bytes or fewer. While the queue budget is scarce, the queue
// must be empty. The caller holds mu.
func (c *Conn) resumeIfLow() {
	l := c.owner.server.limits.Load()
	if n := c.queued(); n == 0 || n <= l.LowWater && !c.owner.server.scarce(l) {
		c.resume()
	}
}

// resume ends a pause that the send queue caused. The caller holds mu.
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

// readOn resumes reading, unless the send queue, a receive rate or maxDiscarded still pauses it. The caller holds mu.
func (c *Conn) readOn() {
	if c.sated() || c.sending != nil && c.sending.paused != 0 ||
		c.extra != nil && c.extra.rate != nil && c.extra.rate.paused {
		return
	}
	c.socket.Resume()
}
