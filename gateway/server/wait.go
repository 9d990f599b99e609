package server

import "slices"

// writeWait is a call that waits until the kernel has taken the connection's bytes up to a position in the stream.
type writeWait struct {
	upTo uint64        // the position, in bytes from the first
	done chan struct{} // closed when the bytes were taken, or when the connection closed
}

// await registers a wait for all bytes queued so far. The queue is not empty, and the caller holds mu.
func (c *Conn) await() *writeWait {
	w := &writeWait{upTo: c.sent.Load() + uint64(c.queued()), done: make(chan struct{})}
	c.sending.waits = append(c.sending.waits, w)
	return w
}

// wakeWaits ends the waits whose bytes were taken, and on a closed connection all waits. The caller holds mu.
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

// stopWaiting removes a wait that its caller gave up. The caller holds mu.
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
