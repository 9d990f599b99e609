package server

import (
	"fmt"
	"runtime/debug"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

// endpoint is the side of a connection that its socket calls, with the methods of transport.Endpoint in their order.
type endpoint struct{ *Conn }

// Opened implements transport.Endpoint.
func (c endpoint) Opened() {
	c.inCall.Store(true)
	c.mu.Lock()
	c.flags |= flagOpened
	if c.queued() > 0 && c.socket.Flush() { // a verb came before the loop
		c.flags |= flagFlushing
	}
	c.finishIfDone()
	c.mu.Unlock()
	defer c.handled()
	c.owner.config.Handler.Open(c.Conn)
}

// Received passes bytes to the handler, or discards them while the connection is ending.
func (c endpoint) Received(p []byte, at moment) {
	c.received.Add(uint64(len(p)))
	c.active.Store(int64(at))
	c.owner.server.counters.Received.Add(c.identity.Seq, len(p))
	c.inCall.Store(true)
	if c.marked(markEnds) {
		c.discard(len(p))
		return
	}
	if c.owner.framed {
		c.cutFrames(p, at)
		return
	}
	if l := c.owner.server.limits.Load(); l.rated() {
		c.rate(len(p), 1, at, l)
	}
	if c.owner.server.log.Tapped() {
		c.publishData(p)
	}
	defer c.handled()
	c.owner.config.Handler.Data(c.Conn, p)
}

// discard counts bytes that no handler gets, and stops reading at maxDiscarded.
func (c endpoint) discard(n int) {
	c.mu.Lock()
	c.rarely().discarded += uint64(n)
	if c.sated() {
		c.stopReading()
	}
	c.mu.Unlock()
	c.leave()
}

// publishData is not inlined into Received: its large frame would stay on the stack of every connection, because an
// idle connection keeps the stack that its last read needed.
//
//go:noinline
func (c endpoint) publishData(p []byte) { c.owner.server.log.AppendData(c.Info(), p) }

// Ended handles the peer's FIN.
func (c endpoint) Ended() {
	c.inCall.Store(true)
	c.mu.Lock()
	c.flags |= flagPeerEnded
	c.endHalf()
	c.publish(event.Ended, nil)
	closing := c.ending != nil
	c.finishIfDone()
	c.mu.Unlock()
	if closing {
		c.leave()
		return
	}
	defer c.handled()
	c.owner.config.Handler.End(c.Conn)
}

// Failed ends the connection after an error of reading.
func (c endpoint) Failed(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail(event.OpRead, err)
}

// fail ends the connection at once after an error of its socket. The caller holds mu.
func (c *Conn) fail(op event.Operation, err error) {
	if c.has(flagDone) || c.has(flagClosed) {
		return // closing makes a call under way fail
	}
	reason := ReasonIOError
	if transport.Broken(err) {
		reason = ReasonPeerReset
	}
	text := event.ShortText(transport.ErrorText(err))
	c.publish(event.Error, &event.ErrorDetail{Operation: op, Message: text, Count: 1})
	c.endNow(ending{reason: reason, text: text}, false)
}

// handled follows every call of the handler, and ends the connection after a panic.
func (c endpoint) handled() {
	if v := recover(); v != nil {
		c.endAfterPanic(v)
	}
	c.leave()
}

func (c endpoint) endAfterPanic(v any) {
	text := c.panicked("handler panicked", v)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endNow(ending{reason: ReasonHandlerPanic, text: text}, false)
}

// leave ends a call of the handler. It continues an ending that waits for the call, unless the handler still owes an
// answer: then Apply does.
//
// The goroutine that begins an ending stores markEnds and then loads inCall and markOwes. A call stores inCall and then
// loads markEnds, and stores markOwes while inCall is set. So at least one of the two notices the other, without a lock
// for each call.
func (c endpoint) leave() {
	c.inCall.Store(false)
	if !c.marked(markEnds) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending.answering && (c.ending.overdue || !c.marked(markOwes)) {
		c.answered()
	}
}

// notify calls an optional method of the handler, which may run beside its other calls.
func (c endpoint) notify(method func(*Conn)) {
	defer func() {
		if v := recover(); v != nil {
			c.endAfterPanic(v)
		}
	}()
	method(c.Conn)
}

// panicked records a panic of the handler, and returns its text. It must run while the stack still shows the cause.
func (c endpoint) panicked(message string, v any) string {
	text := event.ShortText(fmt.Sprint(v))
	c.owner.server.config.Logger.Error(message, "conn", c.ID(), "panic", text, "stack", string(debug.Stack()))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.publish(event.Error, &event.ErrorDetail{Operation: event.OpHandler, Message: text, Count: 1})
	return text
}

// Closed follows the close of the descriptor. It publishes the end of the connection.
func (c endpoint) Closed() {
	c.mu.Lock()
	c.flags |= flagClosed | flagDone
	c.flags &^= flagFlushing
	if c.ending == nil {
		c.setEnding(ending{reason: ReasonIOError, text: "the engine closed the socket"})
	}
	e := c.ending
	e.closedAt = c.owner.server.at(c.owner.server.now())
	e.unsent += uint64(c.queued())
	if e.answering { // an answer is still owed
		e.answering = false
		e.unsent += uint64(len(e.farewell))
	}
	e.stopTimers()
	c.endSending()
	c.stopRate()
	c.stopTimers()
	info := c.info()
	opened := c.has(flagOpened)
	c.mu.Unlock()
	if opened {
		c.callClose(info.CloseReason)
	}
	c.owner.server.forget(c.Conn, info)
	if e.watch != nil {
		e.watch(info)
	}
}

func (c endpoint) callClose(reason CloseReason) {
	defer func() {
		if v := recover(); v != nil {
			c.panicked("handler panicked in Close", v)
		}
	}()
	c.owner.config.Handler.Close(c.Conn, reason)
}
