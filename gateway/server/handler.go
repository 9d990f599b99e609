package server

// Handler serves connections. The server calls it for each event in a connection's life. One Handler serves all
// connections of its listeners; Conn.SetValue keeps the state of each. Calls for one connection never overlap and come
// in this order: Open, Data*, End?, Close. Calls for different connections run at the same time. No call may block, so
// no call may make Kick, Shutdown, AddBan, RemoveBan, a Broadcast with a RequestID or a Send that waits: a call that
// waits keeps its connection, and on an event-loop engine others too, from being served. A panic closes the connection
// with ReasonHandlerPanic and leaves the server running; runtime.Goexit, which testing's FailNow calls, ends what
// serves the connection. A handler that has a method Name() string is called by that in ListenerInfo.
type Handler interface {
	// Open is called once, before anything else.
	Open(c *Conn)
	// Data gets bytes from the peer, in order. They come as they were read: TCP keeps no message boundaries. With
	// ListenerConfig.Frame, p is one frame without its header and delimiter, and may be empty; Data is called for each
	// frame of a read. After a Close or Abort the rest of the read is discarded; after a Pause it is still delivered. p is
	// valid only during the call.
	Data(c *Conn, p []byte)
	// End follows the peer's FIN. BaseHandler's End finishes the gateway's side behind the queued bytes. A handler with
	// another End may go on sending. It must call CloseWrite or Close later, or the connection stays open.
	End(c *Conn)
	// Close is the last call: the connection has ended for the reason. Nothing can be sent any more.
	Close(c *Conn, reason CloseReason)
}

// BaseHandler has the default methods. Embed it and write only the methods that differ.
type BaseHandler struct{}

// Open does nothing.
func (BaseHandler) Open(*Conn) {}

// Data ignores the bytes.
func (BaseHandler) Data(*Conn, []byte) {}

// End finishes the gateway's side when all queued bytes are sent.
func (BaseHandler) End(c *Conn) { c.CloseWrite() }

// Close does nothing.
func (BaseHandler) Close(*Conn, CloseReason) {}

// Drainer is a Handler that is told when a full send queue is no more. Drained follows a pause of reading for the send
// queue, when the queue has fallen to the low water. It may run beside other calls for the connection, and must not
// block. A panic closes the connection as one of Data does.
type Drainer interface{ Drained(c *Conn) }

// Idler is a Handler that is told of idle timeouts, for connections with IdleRule.Notify. Idle may run beside other
// calls for the connection, Close included, and must not block. A panic closes the connection as one of Data does.
type Idler interface{ Idle(c *Conn) }

// WholeFramer is a Handler that may ask for whole frames, with header and delimiter, in place of what is in them. The
// server asks once, in New. A handler that embeds one inherits its answer.
type WholeFramer interface{ WholeFrames() bool }
