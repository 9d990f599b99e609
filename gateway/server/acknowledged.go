package server

import "time"

const (
	// firstLook is when a connection that both sides have finished first looks again whether the peer has acknowledged
	// the rest. Each further look takes twice as long to come, so that many peers that never read cost few looks.
	firstLook = 20 * time.Millisecond
	// maxRecord is the most plaintext of a TLS record (RFC 8446, 5.1). A record whose end does not arrive is lost whole.
	maxRecord = 16 << 10
	// maxDiscarded is how many bytes a connection that is ending reads and discards, so that they do not make the kernel
	// reset it before the peer has got the rest. More than the kernel's receive buffer (6 MiB by default) is not under way
	// when the gateway finishes. Beyond the bound it stops reading, and still waits for the peer's acknowledgement. So a
	// crowd of peers that send at full speed cannot burn the processor. A FIN behind the bytes that are not read is not
	// seen: the connection then closes at the flush timeout.
	maxDiscarded = 8 << 20
)

// sated reports whether a connection that is ending has read as much as it discards. The caller holds mu.
func (c *Conn) sated() bool { return c.rare().discarded >= maxDiscarded }

// unacknowledged is how many bytes the kernel has taken that the peer's kernel has not acknowledged: a reset throws
// them away. With TLS it may be up to 16 KiB too many, never too few. It is 0 where the number cannot be known. The
// caller holds mu.
func (c *Conn) unacknowledged() int {
	held := c.socket.Unacknowledged()
	if c.has(flagFinished) {
		held-- // the FIN counts as one
	}
	if held > 0 && c.owner.config.TLS != nil {
		held += maxRecord
	}
	return max(0, min(held, int(c.sent.Load())))
}

// disown counts the bytes as unsent that the peer's kernel has not acknowledged. The caller holds mu.
func (c *Conn) disown() {
	held := c.unacknowledged()
	if held == 0 {
		return
	}
	c.sent.Add(-uint64(held))
	c.owner.server.counters.Sent.Add(c.identity.Seq, -held)
	c.ending.unsent += uint64(held)
}

// closeAcknowledged closes a connection that both sides have finished, as soon as the peer's kernel has acknowledged
// every byte, or is gone. Until then the connection is closing, for the flush timeout at most. Closing sends the FIN
// where nothing is left to be acknowledged. The caller holds mu.
func (c *Conn) closeAcknowledged() {
	if c.unacknowledged() == 0 { // disown would ask the kernel again
		if c.ending == nil {
			c.setEnding(ending{reason: ReasonPeerClosed})
		}
		c.shut(false)
		return
	}
	if c.socket.Gone() {
		c.endNow(ending{reason: ReasonPeerClosed}, false)
		return
	}
	if !c.finishWriting() {
		return
	}
	if c.ending == nil {
		c.setEnding(ending{reason: ReasonPeerClosed,
			timer: time.AfterFunc(c.owner.server.config.CloseTimeout, c.cutShort)})
	}
	if c.ending.acks == nil {
		c.ending.pause = max(firstLook, 2*c.ending.pause)
		c.ending.acks = time.AfterFunc(c.ending.pause, c.lookAgain)
	}
}

// lookAgain closes the connection if the peer has acknowledged everything by now.
func (c *Conn) lookAgain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ending.acks = nil
	c.finishIfDone()
}
