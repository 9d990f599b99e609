package server

import (
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/framing"
)

// ending says how a connection ends. The first cause makes it, and it is the only one.
type ending struct {
	reason    CloseReason
	text      string
	by        string
	closedAt  time.Time
	unsent    uint64           // bytes accepted that the peer's kernel had not acknowledged when the socket closed
	timer     *time.Timer      // closes at the end of the flush timeout; nil for an ending without a flush
	acks      *time.Timer      // the next look at what is not acknowledged; nil while nothing waits for that
	pause     time.Duration    // before the look that acks is for
	watch     func(Connection) // called once, after everything else, when the connection is closed; may be nil
	farewell  []byte           // to be put behind what is queued
	answering bool             // the handler may still send: a call is under way, or it owes an answer; the rest waits
	overdue   bool             // the flush timeout passed while answering: the socket closes when the call ends
	late      int              // bytes that the call may still send when overdue
}

// stopTimers ends the timers of a connection that is closed.
func (e *ending) stopTimers() {
	for _, t := range []*time.Timer{e.timer, e.acks} {
		if t != nil {
			t.Stop()
		}
	}
}

// Close ends the connection: what is queued is flushed and FIN sent, and when the peer has finished too, or
// Config.CloseTimeout has passed, the socket is closed. It returns at once. The first reason wins; a later call does
// nothing. A reason that is none stands for ReasonHandler.
func (c *Conn) Close(reason CloseReason) { c.CloseWith(reason, "") }

// CloseWith is Close with a text for events and logs, cut to event.MaxText bytes. The peer does not get it.
func (c *Conn) CloseWith(reason CloseReason, text string) {
	c.end(ending{reason: known(reason), text: text}, c.owner.server.config.CloseTimeout)
}

// Abort ends the connection without flushing: the peer gets RST. The first reason wins; a later call does nothing, but
// cuts an ending that still flushes short. A reason that is none stands for ReasonHandler.
func (c *Conn) Abort(reason CloseReason) { c.AbortWith(reason, "") }

// AbortWith is Abort with a text for events and logs, cut to event.MaxText bytes.
func (c *Conn) AbortWith(reason CloseReason, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endNow(ending{reason: known(reason), text: text}, true)
}

// known returns the reason, or ReasonHandler for one that has no name: closed connections are counted by reason, and
// ReasonNone says that a connection is not closed.
func known(reason CloseReason) CloseReason {
	if reason == event.ReasonNone || int(reason) >= event.ReasonCount {
		return ReasonHandler
	}
	return reason
}

// end begins the orderly end. The farewell goes behind the queued bytes. From then on sends are refused, and received
// bytes are discarded. The socket closes when the peer has finished too, or after flush. With answering, a running call
// of the handler may still send, so that every byte that it was given is answered; a handler that owes an answer may in
// any case. It returns false when the connection is ending already.
func (c *Conn) end(e ending, flush time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.beginEnd(e, flush)
}

// beginEnd does the work of end. The caller holds mu.
func (c *Conn) beginEnd(e ending, flush time.Duration) bool {
	if c.ending != nil || c.has(flagDone|flagClosed) {
		return false
	}
	e.text = event.ShortText(e.text)
	e.timer = time.AfterFunc(flush, c.cutShort)
	c.setEnding(e)
	if c.ending.answering = e.answering && c.inCall.Load() || c.marked(markOwes); !c.ending.answering {
		c.windUp()
	}
	return true
}

// setEnding records the first cause, and shows it to calls of the handler; see leave. A connection whose peer finished
// within a frame tells that, unless it has another text. The caller holds mu.
func (c *Conn) setEnding(e ending) {
	c.dropHalf()
	if lost := c.rare().lost; lost > 0 && e.reason == ReasonPeerClosed && e.text == "" {
		e.text = framing.Lost(lost, c.received.Load()-lost)
	}
	c.ending = &e
	c.marks.Or(markEnds)
}

// windUp puts the farewell behind the queued bytes, and FIN behind the farewell. The caller holds mu.
func (c *Conn) windUp() {
	e := c.ending
	e.answering = false
	if n := len(e.farewell); n > 0 && !(c.writable() &&
		c.put(e.farewell, c.handlerRoom(), true).Accepted()) {
		e.unsent += uint64(n)
	}
	e.farewell = nil
	c.flags |= flagFinish
	c.stopRate()
	c.endPause()
	c.resume()
	c.finishIfDone()
}

// cutShort closes a connection whose flush took too long. The kernel still tries to send what it has taken, unless the
// peer sends more, which makes the kernel reset the connection: those bytes count as unsent. A handler's call that is
// under way answers first, or the bytes that it was given would be lost and counted nowhere. This takes no longer: the
// loop that runs the call cannot close the descriptor before the call ends. An answer that is only owed comes too late.
func (c *Conn) cutShort() {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.ending
	switch {
	case e == nil || !e.answering:
		c.stop(false)
	case !c.inCall.Load():
		e.overdue = true
		c.answered()
	case !e.overdue:
		e.overdue, e.late = true, c.handlerRoom().Queue
		c.marks.And(^uint32(markOwes))
	}
}

// mayAnswer reports whether the handler may still send n bytes, although the connection is ending. A call that sends
// until it is told to stop is told so a full send queue after the flush timeout. The caller holds mu.
func (c *Conn) mayAnswer(n int) bool {
	e := c.ending
	if e.overdue {
		e.late -= n
	}
	return e.answering && e.late >= 0
}

// answered follows the handler's last answer on a connection that is ending. The caller holds mu.
func (c *Conn) answered() {
	c.windUp()
	if c.ending.overdue {
		c.stop(false)
	}
}

// endNow ends the connection without a flush, or cuts short an ending that is under way. The caller holds mu.
func (c *Conn) endNow(e ending, reset bool) {
	if c.ending == nil {
		e.text = event.ShortText(e.text)
		c.setEnding(e)
	}
	c.stop(reset)
}

// stop tells the socket to close. The caller holds mu.
func (c *Conn) stop(reset bool) {
	if c.has(flagDone) {
		return
	}
	c.disown()
	c.shut(reset)
}

// shut closes the socket of a connection that has an ending. The caller holds mu.
func (c *Conn) shut(reset bool) {
	c.flags |= flagDone
	c.socket.Close(reset)
}

// CloseWrite finishes the gateway's side: FIN follows the queued bytes. The peer may go on sending. When it finishes
// too, the connection closes with ReasonPeerClosed. CloseWrite returns at once; a second call does nothing.
func (c *Conn) CloseWrite() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flags |= flagFinish
	c.finishIfDone()
}

// finishIfDone sends FIN when it is due and the queue is empty, and closes the socket when both sides have finished.
// The caller holds mu.
func (c *Conn) finishIfDone() {
	if !c.has(flagFinish) || c.queued() > 0 || c.has(flagDone) || !c.has(flagOpened) ||
		c.ending != nil && c.ending.answering {
		return
	}
	if c.has(flagPeerEnded) {
		c.closeAcknowledged()
		return
	}
	c.finishWriting()
}

// finishWriting sends FIN, once. It returns false when that failed and the connection has ended. The caller holds mu.
func (c *Conn) finishWriting() bool {
	if c.has(flagFinished) {
		return true
	}
	c.flags |= flagFinished
	if err := c.socket.CloseWrite(); err != nil {
		c.fail(event.OpWrite, err)
		return false
	}
	return true
}
