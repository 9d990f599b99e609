package server

import "slices"

// writeWait is a caller that waits until the kernel has taken the bytes up to a point of the connection's outgoing
// stream.
type writeWait struct {
	upTo uint64
	done chan struct{} // closed when they were taken, or when the connection closed
}

// await registers a wait for everything queued so far; there is a queue. The caller holds mu.
func (c *Conn) await() *writeWait {
	w := &writeWait{upTo: c.sent.Load() + uint64(c.queued()), done: make(chan struct{})}
	c.sending.waits = append(c.sending.waits, w)
	return w
}

// wakeWaits ends the waits whose bytes were taken, or all of them when the connection is closed. The caller holds mu.
func (c *Conn) wakeWaits() {
	b := c.sending
	if len(b.waits) == 0 {
		return
	}
	sent, kept := c.sent.Load(), b.waits[:0]
	for _, w := range b.waits {
		if sent >= w.upTo || c.has(flagClosed) {
			close(w.done)
			continue
		}
		kept = append(kept, w)
	}
	clear(b.waits[len(kept):])
	if b.waits = kept; len(kept) == 0 {
		b.waits = nil
	}
}

// stopWaiting forgets a wait that its caller gave up. The caller holds mu.
func (c *Conn) stopWaiting(w *writeWait) {
	b := c.sending
	if b == nil {
		return
	}
	if i := slices.Index(b.waits, w); i >= 0 {
		b.waits = slices.Delete(b.waits, i, i+1)
	}
	c.dropSending()
}
