package server

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
)

// endpoint is the connection as its socket sees it: the calls of transport.Endpoint, in the order in which they come.
type endpoint struct{ *Conn }

// Opened is the first call of the socket's loop.
func (c endpoint) Opened() {
	c.mu.Lock()
	c.flags |= flagOpenCalled
	c.mu.Unlock()
	defer c.recoverHandler()
	c.handler.Open(c.Conn)
}

// Received hands bytes to the handler, or discards them when the connection is being closed.
func (c endpoint) Received(p []byte) {
	c.received.Add(uint64(len(p)))
	c.active.Store(time.Now().UnixNano())
	c.server.counters.received.add(c.identity.Seq, len(p))
	c.mu.Lock()
	closing := c.ending != nil
	c.mu.Unlock()
	if closing {
		c.discarded.Add(uint64(len(p)))
		return
	}
	if c.server.log.Tapped() {
		c.server.log.AppendData(c.Info(), p)
	}
	defer c.recoverHandler()
	c.handler.Data(c.Conn, p)
}

// Ended notes the peer's FIN.
func (c endpoint) Ended() {
	c.mu.Lock()
	c.flags |= flagPeerEnded
	c.publish(event.Ended, nil)
	closing := c.ending != nil
	c.finishIfDone()
	c.mu.Unlock()
	if closing {
		return
	}
	defer c.recoverHandler()
	c.handler.End(c.Conn)
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
		errors.Is(err, syscall.ENOTCONN) || errors.Is(err, io.ErrClosedPipe) {
		reason = ReasonPeerReset
	}
	text := errorText(err)
	c.publish(event.Error, &event.ErrorDetail{Operation: op, Message: text, Count: 1})
	c.endNow(ending{reason: reason, text: text}, false)
}

// errorText shortens an error to what is new to the reader: the connection's addresses are in the event already.
func errorText(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	var call *os.SyscallError
	if errors.As(err, &call) {
		return call.Syscall + ": " + call.Err.Error()
	}
	return err.Error()
}

// recoverHandler turns a handler's panic into the end of its connection.
func (c endpoint) recoverHandler() {
	v := recover()
	if v == nil {
		return
	}
	text := fmt.Sprint(v)
	c.server.config.Logger.Error("handler panicked", "conn", c.ID(), "panic", text, "stack", string(debug.Stack()))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.publish(event.Error, &event.ErrorDetail{Operation: event.OpHandler, Message: text, Count: 1})
	c.endNow(ending{reason: ReasonHandlerPanic, text: text}, false)
}

// Closed is the last call: the descriptor is closed.
func (c endpoint) Closed() {
	c.mu.Lock()
	c.flags |= flagClosed | flagDone
	c.flags &^= flagFlushing
	if c.ending == nil {
		c.ending = &ending{reason: ReasonIOError, text: "the engine closed the socket"}
	}
	e := c.ending
	e.closedAt = time.Now()
	e.unsent += uint64(c.queue.size)
	if e.timer != nil {
		e.timer.Stop()
	}
	c.queue.drop()
	c.wakeWaits()
	c.paused = 0
	info := c.info()
	opened := c.has(flagOpenCalled)
	c.mu.Unlock()
	if opened {
		c.callClose(info.CloseReason)
	}
	c.server.forget(c.Conn, info)
	if e.watch != nil {
		e.watch(info)
	}
}

func (c endpoint) callClose(reason CloseReason) {
	defer func() {
		if v := recover(); v != nil {
			c.server.config.Logger.Error("handler panicked in Close", "conn", c.ID(), "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		}
	}()
	c.handler.Close(c.Conn, reason)
}
