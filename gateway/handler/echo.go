package handler

import (
	"sync"

	"github.com/sockgate/sockgate/gateway/server"
)

// Echo sends back what it receives, byte for byte. The zero value is ready to use; all connections share one Echo.
type Echo struct {
	server.BaseHandler
	// Greeting is sent when a connection opens; empty: nothing.
	Greeting []byte
	// Prefix is sent before the bytes of each read; empty: nothing. TCP keeps no message boundaries, so what the peer wrote
	// in two calls may come in one read, or the reverse.
	Prefix []byte
}

// MaxPrefix is the longest Prefix and Greeting, in bytes: what the send queue's reserve has room for.
const MaxPrefix = 32 << 10

// Name returns "echo".
func (Echo) Name() string { return "echo" }

// Open sends the greeting.
func (e Echo) Open(c *server.Conn) { greet(c, e.Greeting) }

// Data sends the bytes back. When they do not fit in the send queue, the connection is closed as a slow consumer, and when they do not
// fit in the queue budget, for that: rather than losing them silently.
func (e Echo) Data(c *server.Conn, p []byte) {
	if len(e.Prefix) == 0 {
		reply(c, p)
		return
	}
	buffer := buffers.Get().(*[]byte)
	joined := append(append((*buffer)[:0], e.Prefix...), p...)
	reply(c, joined)
	*buffer = joined
	buffers.Put(buffer)
}

// buffers join the prefix and the bytes, so that both are sent as one.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

func greet(c *server.Conn, greeting []byte) {
	if len(greeting) > 0 {
		reply(c, greeting)
	}
}

func reply(c *server.Conn, p []byte) {
	switch o, _ := c.Send(p); o {
	case server.OutcomeDroppedQueueFull:
		c.Abort(server.ReasonSlowConsumer)
	case server.OutcomeDroppedBudget:
		c.Abort(server.ReasonQueueBudget)
	}
}
