package server

import (
	"sync"
	"time"

	"github.com/sockgate/sockgate/gateway/server/internal/sendqueue"
)

// sending is what a connection has while bytes wait for its peer: the send queue and what flow control needs to know.
// The connection's lock guards it.
type sending struct {
	queue sendqueue.Queue
	// when the kernel last took a byte of the queue, or the peer's kernel one of the kernel's; or the queue began
	progress moment
	held     int    // bytes that the kernel held for the peer when progress was last looked for; -1 when it was not
	paused   moment // since when reading is paused; 0 when it is not
	waits    []*writeWait
	announce *time.Timer // looks whether a pause has lasted; nil when none was made lately
}

// sendings are those that nothing needs any more: a broadcast to many slow peers allocates nothing for them.
var sendings = sync.Pool{New: func() any { return new(sending) }}

// queued returns how many bytes wait. The caller holds mu.
func (c *Conn) queued() int {
	if c.sending == nil {
		return 0
	}
	return c.sending.queue.Size
}

// dropSending forgets a sending that nothing needs any more. The caller holds mu.
func (c *Conn) dropSending() {
	if b := c.sending; b != nil && b.queue.Size == 0 && b.paused == 0 && b.announce == nil && len(b.waits) == 0 {
		c.releaseSending()
	}
}

// endSending drops what is queued; the connection is closed. The caller holds mu.
func (c *Conn) endSending() {
	b := c.sending
	if b == nil {
		return
	}
	if b.announce != nil {
		b.announce.Stop()
	}
	c.owner.server.queued.Give(b.queue.Size)
	c.wakeWaits()
	c.releaseSending()
}

func (c *Conn) releaseSending() {
	*c.sending = sending{}
	sendings.Put(c.sending)
	c.sending = nil
}
