package server

import (
	"sync"
	"time"

	"github.com/sockgate/sockgate/gateway/server/internal/sendqueue"
)

// sending is the state of a connection whose bytes wait for the peer: the send queue and the data of flow control. The
// connection's lock guards it.
type sending struct {
	queue sendqueue.Queue
	// progress is when the queue began, or when bytes last moved: from the queue to the kernel, or from the kernel to the
	// peer.
	progress moment
	held     int    // bytes in the kernel at the last look at progress; -1 before the first
	paused   moment // when reading was paused; 0 while it is not
	waits    sendqueue.Waits
	announce *time.Timer // looks whether a pause has lasted; nil while no look is due
}

// sendings keeps unused ones, so that a broadcast to many slow peers allocates nothing for them.
var sendings = sync.Pool{New: func() any { return new(sending) }}

// queued returns the number of bytes in the queue. The caller holds mu.
func (c *Conn) queued() int {
	if c.sending == nil {
		return 0
	}
	return c.sending.queue.Size
}

// dropSending releases a sending that is not needed any more. The caller holds mu.
func (c *Conn) dropSending() {
	if b := c.sending; b != nil && b.queue.Size == 0 && b.paused == 0 && b.announce == nil && b.waits.None() {
		c.releaseSending()
	}
}

// endSending drops the queue of a closed connection. The caller holds mu.
func (c *Conn) endSending() {
	b := c.sending
	if b == nil {
		return
	}
	if b.announce != nil {
		b.announce.Stop()
	}
	c.owner.server.queued.Give(b.queue.Size)
	b.waits.Wake(0, true)
	c.releaseSending()
}

func (c *Conn) releaseSending() {
	*c.sending = sending{}
	sendings.Put(c.sending)
	c.sending = nil
}
