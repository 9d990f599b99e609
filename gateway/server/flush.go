package server

import (
	"errors"
	"fmt"
	"os"

	"github.com/sockgate/sockgate/gateway/event"
)

// progressChecks is how often in a write timeout the server asks the kernel whether the peer takes the bytes in the
// kernel's buffers. These buffers hold megabytes, and the kernel reports space again only when a large part of them is
// empty. Without the question, a peer that reads slowly but steadily would look like one that does not read.
const progressChecks = 4

// NextWrite returns the next bytes of the queue, and the moment of the next look at the peer's progress.
func (c endpoint) NextWrite() ([]byte, moment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queued() == 0 || c.has(flagDone) {
		c.flags &^= flagFlushing
		c.dropSending()
		return nil, 0
	}
	p := c.sending.queue.Front()
	return p, c.owner.server.now() + moment(c.owner.server.limits.Load().WriteTimeout/progressChecks)
}

// Wrote records progress, or the lack of it, and tells a Drainer when the queue has fallen to the low water.
func (c endpoint) Wrote(n int, err error) {
	if drained := c.wrote(n, err); drained && c.owner.drainer != nil {
		c.notify(c.owner.drainer.Drained)
	}
}

// wrote does the work of Wrote, and reports whether it ended a pause for the queue.
func (c endpoint) wrote(n int, err error) (drained bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n > 0 {
		c.sending.queue.Advance(n)
		c.owner.server.queued.Give(n)
		c.took(n)
		c.sending.waits.Wake(c.sent.Load(), false)
	}
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.fail(event.OpWrite, err)
		return false
	}
	drained = c.resumeIfLow()
	switch b := c.sending; {
	case err != nil:
		c.judgeProgress()
	case n == 0 && b != nil: // the kernel took a part of a TLS record
		b.progress, b.held = c.owner.server.now(), -1
	}
	c.finishIfDone()
	return drained
}

// judgeProgress closes a peer that has taken nothing for the write timeout. The caller holds mu.
func (c *Conn) judgeProgress() {
	b := c.sending
	if b == nil || b.queue.Size == 0 {
		return
	}
	held := c.socket.Unacknowledged()
	if b.held >= 0 && held >= 0 && held != b.held {
		b.progress = c.owner.server.now()
	}
	b.held = held
	if c.owner.server.since(b.progress) < c.owner.server.limits.Load().WriteTimeout {
		return
	}
	c.endNow(ending{reason: ReasonSlowConsumer,
		text: fmt.Sprintf("the peer took no byte for %s; %d bytes were queued", c.owner.server.limits.Load().WriteTimeout,
			b.queue.Size)}, true)
}
