package server

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"syscall"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

// endpoint is the connection as its socket sees it: the calls of transport.Endpoint, in their order.
type endpoint struct{ *Conn }

// Opened is the first call of the socket's loop.
func (c endpoint) Opened() {
	c.inCall.Store(true)
	c.mu.Lock()
	c.flags |= flagOpened
	if c.queued() > 0 && c.socket.Flush() { // a verb was faster than the loop
		c.flags |= flagFlushing
	}
	c.finishIfDone()
	c.mu.Unlock()
	defer c.handled()
	c.owner.config.Handler.Open(c.Conn)
}

// Received hands bytes to the handler, or discards them when the connection is being closed.
func (c endpoint) Received(p []byte, at moment) {
	c.received.Add(uint64(len(p)))
	c.active.Store(int64(at))
	c.owner.server.counters.received.Add(c.identity.Seq, len(p))
	c.inCall.Store(true)
	if c.ends.Load() {
		c.discard(len(p))
		return
	}
	if l := c.owner.server.limits.Load(); l.rated() {
		c.rate(len(p), at, l)
	}
	if c.owner.server.log.Tapped() {
		c.publishData(p)
	}
	defer c.handled()
	c.owner.config.Handler.Data(c.Conn, p)
}

// discard counts bytes that no handler will see.
func (c endpoint) discard(n int) {
	c.mu.Lock()
	c.more().discarded += uint64(n)
	c.mu.Unlock()
	c.leave()
}

// publishData is apart from Received so that its large frame is not on the stack of every connection: an idle one keeps
// the stack that its last read needed.
//
//go:noinline
func (c endpoint) publishData(p []byte) { c.owner.server.log.AppendData(c.Info(), p) }

// Ended notes the peer's FIN.
func (c endpoint) Ended() {
	c.inCall.Store(true)
	c.mu.Lock()
	c.flags |= flagPeerEnded
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

// Failed ends the connection for a read error.
func (c endpoint) Failed(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail(event.OpRead, err)
}

// fail ends the connection at once for an error of its socket. The caller holds mu.
func (c *Conn) fail(op event.Operation, err error) {
	if c.has(flagDone) || c.has(flagClosed) {
		return // the error is what closing looks like from inside a call
	}
	reason := ReasonIOError
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ETIMEDOUT) ||
		errors.Is(err, syscall.ENOTCONN) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, transport.ErrTruncated) {
		reason = ReasonPeerReset
	}
	text := event.ShortText(transport.ErrorText(err))
	c.publish(event.Error, &event.ErrorDetail{Operation: op, Message: text, Count: 1})
	c.endNow(ending{reason: reason, text: text}, false)
}

// handled follows every call of the handler: a panic ends the connection.
func (c endpoint) handled() {
	if v := recover(); v != nil {
		text := c.panicked("handler panicked", v)
		c.mu.Lock()
		c.endNow(ending{reason: ReasonHandlerPanic, text: text}, false)
		c.mu.Unlock()
	}
	c.leave()
}

// leave ends a handler's call: what came meanwhile and let the handler answer first goes on.
//
// The goroutine that begins to end a connection stores ends and then loads inCall; a call stores inCall and then loads
// ends. So at least one of the two sees the other, without a lock for each call.
func (c endpoint) leave() {
	c.inCall.Store(false)
	if !c.ends.Load() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending.answering {
		c.windUp()
	}
}

// panicked records a handler's panic and returns its text. It runs while the stack still has the cause.
func (c endpoint) panicked(message string, v any) string {
	text := event.ShortText(fmt.Sprint(v))
	c.owner.server.config.Logger.Error(message, "conn", c.ID(), "panic", text, "stack", string(debug.Stack()))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.publish(event.Error, &event.ErrorDetail{Operation: event.OpHandler, Message: text, Count: 1})
	return text
}

// Closed is the last call: the descriptor is closed.
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
	if e.timer != nil {
		e.timer.Stop()
	}
	c.endSending()
	c.stopRate()
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
