package server

// Handler serves connections: the server calls it for each event in a connection's life. One Handler serves all the
// connections of its listeners; Conn.SetValue keeps the state of each. Calls for one connection never overlap and come
// in this order: Open, Data*, End?, Close. Calls for different connections run at the same time. No call may block, so
// no call may make Kick, Shutdown or a Send that waits: a call that waits keeps its connection, and on an event-loop
// engine others too, from being served. A panic closes the connection with ReasonHandlerPanic and leaves the server
// running; runtime.Goexit, which testing's FailNow calls, ends what serves the connection.
type Handler interface {
	// Open is called once, before anything else.
	Open(c *Conn)
	// Data has bytes from the peer, in order, as they came: TCP keeps no message boundaries. p is valid only during the
	// call.
	Data(c *Conn, p []byte)
	// End says that the peer finished writing (FIN). BaseHandler's End finishes the gateway's side behind what is queued;
	// a handler that does not may go on sending, and must finish with CloseWrite or Close later, or the connection stays.
	End(c *Conn)
	// Close says that the connection has ended, and why. Nothing can be sent any more.
	Close(c *Conn, reason CloseReason)
}

// BaseHandler has the defaults; embed it and write only the methods that you need.
type BaseHandler struct{}

// Open does nothing.
func (BaseHandler) Open(*Conn) {}

// Data ignores the bytes.
func (BaseHandler) Data(*Conn, []byte) {}

// End finishes the gateway's side when everything queued has been sent.
func (BaseHandler) End(c *Conn) { c.CloseWrite() }

// Close does nothing.
func (BaseHandler) Close(*Conn, CloseReason) {}
