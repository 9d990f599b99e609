package server

import (
	"time"

	"github.com/sockgate/sockgate/gateway/event"
)

// ending is how a connection ends. There is one for each connection, made by the first cause.
type ending struct {
	reason    CloseReason
	text      string
	by        string
	closedAt  time.Time
	unsent    uint64           // bytes accepted that the kernel never took, or threw away with a reset
	timer     *time.Timer      // closes at the end of the flush timeout; nil for an ending without a flush
	watch     func(Connection) // called once, after everything else, when the connection is closed; may be nil
	farewell  []byte           // to be put behind what is queued
	answering bool             // the handler's call that is under way may still send; what follows waits for it
}

// Close ends the connection: what is queued is flushed and FIN sent, and when the peer has finished too, or
// Config.CloseTimeout has passed, the socket is closed. It returns at once. The first reason wins; a later call does
// nothing.
func (c *Conn) Close(reason CloseReason) {
	c.end(ending{reason: reason}, c.owner.server.config.CloseTimeout)
}

// Abort ends the connection without flushing: the peer gets RST. The first reason wins; a later call does nothing, but
// cuts an ending that still flushes short.
func (c *Conn) Abort(reason CloseReason) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endNow(ending{reason: reason}, true)
}

// end begins the orderly end: the farewell goes behind what is queued, nothing more is accepted, received bytes are
// discarded, and the socket closes when the peer has finished or after flush. With answering, a handler's call that is
// under way answers first, so that no byte that it was given is lost. It returns false when the connection is ending
// already.
func (c *Conn) end(e ending, flush time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.beginEnd(e, flush)
}

// beginEnd is end for callers that hold mu.
func (c *Conn) beginEnd(e ending, flush time.Duration) bool {
	if c.ending != nil || c.has(flagDone|flagClosed) {
		return false
	}
	e.text = event.ShortText(e.text)
	e.timer = time.AfterFunc(flush, c.cutShort)
	c.setEnding(e)
	if c.ending.answering = e.answering && c.inCall.Load(); !c.ending.answering {
		c.windUp()
	}
	return true
}

// setEnding notes the first cause, and shows it to the handler's calls; see leave. The caller holds mu.
func (c *Conn) setEnding(e ending) {
	c.ending = &e
	c.ends.Store(true)
}

// windUp puts the farewell behind what is queued, and FIN behind that. The caller holds mu.
func (c *Conn) windUp() {
	e := c.ending
	e.answering = false
	if n := len(e.farewell); n > 0 && !(c.writable() &&
		c.put(e.farewell, c.owner.server.limits.Load().handlerRoom(), true).Accepted()) {
		e.unsent += uint64(n)
	}
	e.farewell = nil
	c.flags |= flagFinish
	c.stopRate()
	c.resume()
	c.finishIfDone()
}

// cutShort closes a connection whose flush took too long. Bytes that the kernel has taken still go to the peer.
func (c *Conn) cutShort() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stop(false)
}

// endNow ends the connection without a flush, or cuts short an ending that is under way. The caller holds mu.
func (c *Conn) endNow(e ending, reset bool) {
	if c.ending == nil {
		e.text = event.ShortText(e.text)
		c.setEnding(e)
	}
	c.stop(reset)
}

// disown counts bytes as unsent that the kernel had taken and that a reset throws away. The caller holds mu.
func (c *Conn) disown(held int) {
	if c.has(flagFinished) {
		held-- // the FIN
	}
	held = min(held, int(c.sent.Load()))
	if held <= 0 {
		return
	}
	c.sent.Add(-uint64(held))
	c.owner.server.counters.sent.Add(c.identity.Seq, -held)
	c.ending.unsent += uint64(held)
}

// stop makes the socket close. The caller holds mu.
func (c *Conn) stop(reset bool) {
	if c.has(flagDone) {
		return
	}
	c.flags |= flagDone
	if reset {
		c.disown(c.socket.Unacknowledged())
	}
	c.socket.Close(reset)
}

// CloseWrite finishes the gateway's side: FIN is sent behind what is queued. The peer may go on sending; when it has
// finished too, the connection is closed with ReasonPeerClosed. A second call does nothing.
func (c *Conn) CloseWrite() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flags |= flagFinish
	c.finishIfDone()
}

// finishIfDone sends FIN when it is due and the queue is empty, and closes when both sides have finished. The caller
// holds mu.
func (c *Conn) finishIfDone() {
	if !c.has(flagFinish) || c.queued() > 0 || c.has(flagDone) || !c.has(flagOpened) ||
		c.ending != nil && c.ending.answering {
		return
	}
	if !c.has(flagFinished | flagPeerEnded) { // after the peer's end, closing sends the FIN
		c.flags |= flagFinished
		if err := c.socket.CloseWrite(); err != nil {
			c.fail(event.OpWrite, err)
			return
		}
	}
	if c.has(flagPeerEnded) {
		c.endNow(ending{reason: ReasonPeerClosed}, false)
	}
}
