package remote

import (
	"time"

	"github.com/sockgate/sockgate/gateway/event"
)

// Handler serves connections, in the shape of server.Handler. Calls for one connection never overlap and come in this
// order: Open, Data*, End?, Close. One goroutine makes all calls of a lane, and lanes run at the same time. A call that
// blocks holds up all connections of its lane: an answer that takes time is deferred with [Conn.Defer].
//
// A panic resets the connection, with the panic's text as the close text, and is logged. Everything that the call had
// sent and set is discarded. The lane goes on. runtime.Goexit makes Serve return an error.
type Handler interface {
	// Open is called first. When it returns, the connection is admitted, unless it has called Defer. To deny it, send a
	// farewell and call Close. The gateway closes a connection that is not admitted within its admit timeout (10 s).
	Open(c *Conn)
	// Data gets bytes from the peer, in order: as they were read, or exactly one frame, as the listener's framing says.
	// p is valid only during the call. When the call returns, the bytes are acknowledged, unless it has called Defer.
	Data(c *Conn, p []byte)
	// End follows the peer's FIN. BaseHandler's End closes the connection behind the queued bytes. A handler with another
	// End may go on sending, and must call Close later.
	End(c *Conn)
	// Close is the last call: the connection has ended for the reason, and Conn.CloseText and Conn.Unsent say more. With
	// [ReasonMoved] the connection lives, and belongs to this Conn no more. Nothing can be sent any more.
	Close(c *Conn, reason CloseReason)
}

// CloseReason says why a connection ended. Package event has the reasons.
type CloseReason = event.CloseReason

// ReasonMoved is the reason of a Close whose connection lives: it has moved to another lane, or its lane was lost. The
// other lane, of this program or another instance, opens it as a new Conn.
const ReasonMoved = event.ReasonNone

// BaseHandler has the default methods. Embed it and write only the methods that differ.
type BaseHandler struct{}

// Open does nothing, and so admits the connection.
func (BaseHandler) Open(*Conn) {}

// Data ignores the bytes, and so acknowledges them.
func (BaseHandler) Data(*Conn, []byte) {}

// End closes the connection when all queued bytes are sent.
func (BaseHandler) End(c *Conn) { c.Close("") }

// Close does nothing.
func (BaseHandler) Close(*Conn, CloseReason) {}

// Mover is a Handler that wants to know of moves apart from ends. Moved is called in place of Close with ReasonMoved,
// under the rules of Close.
type Mover interface {
	Moved(c *Conn)
}

// Idler is a Handler for idle connections. Idle is called when nothing was received or sent for the connection's idle
// timeout, once for each idle period, after Conn.NotifyIdle(true). Its sends and changes are one command.
type Idler interface {
	Idle(c *Conn)
}

// Drainer is a Handler that paces what it sends. Drained is called when the gateway's send queue of the connection has
// drained after it was over the high water. It may come early while commands are under way: look at Conn.Unwritten
// before sending much. Its sends and changes are one command.
type Drainer interface {
	Drained(c *Conn)
}

// Shutdowner is a Handler that bids its peers farewell. Shutdown is called for each connection of a lane when the
// gateway drains: it closes the connections that are left after the time. The call's sends and changes are one command.
type Shutdowner interface {
	Shutdown(c *Conn, within time.Duration)
}

// hooks are a handler's methods, looked up once.
type hooks struct {
	Handler
	moved    func(*Conn)
	idle     func(*Conn)
	drained  func(*Conn)
	shutdown func(*Conn, time.Duration)
}

func hooksOf(h Handler) *hooks {
	k := &hooks{Handler: h, moved: func(c *Conn) { h.Close(c, ReasonMoved) }}
	if m, ok := h.(Mover); ok {
		k.moved = m.Moved
	}
	if i, ok := h.(Idler); ok {
		k.idle = i.Idle
	}
	if d, ok := h.(Drainer); ok {
		k.drained = d.Drained
	}
	if s, ok := h.(Shutdowner); ok {
		k.shutdown = s.Shutdown
	}
	return k
}
