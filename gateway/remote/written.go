package remote

// quiet is a send queue that is not worth a pause, in bytes: the default low water.
const quiet = 32 << 10

// written is what the gateway has reported of a connection's send queue. It reports while the queue is over the high
// water after a command, and when the queue has fallen to the low water. The marks are the gateway's, and a report does
// not say which of the two it is.
type written struct {
	over bool
	at   uint64 // bytes that the kernel has taken
	sent uint64 // bytes of commands at the last report
	peak uint64 // most bytes that waited
}

// Unwritten returns how many bytes the peer's kernel, as far as the gateway has reported, has not taken: bytes in
// commands under way included. It is 0 while the gateway has not reported that its send queue is over the high water.
func (c *Conn) Unwritten() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.written.over {
		return 0
	}
	return c.sent - c.written.at
}

// report takes a report, and tells whether the queue has drained. It has when few bytes wait, when half of them have
// gone, or when no command since the last report can be the cause of this one. The last is wrong when one was under way
// then; better an early call of Drained than none.
func (w *written) report(at, sent uint64) (drained bool) {
	at = min(at, sent)
	waits, silent := sent-at, w.over && sent == w.sent
	w.at, w.sent, w.peak = at, sent, max(w.peak, waits)
	drained = waits <= quiet || silent || w.over && waits <= w.peak/2
	if w.over = !drained; drained {
		w.peak = 0
	}
	return drained
}
