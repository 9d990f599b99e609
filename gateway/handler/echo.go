package handler

import (
	"sync"

	"github.com/sockgate/sockgate/gateway/server"
)

// Echo sends back the bytes that it receives; on a listener with frames, each frame whole. The zero value is ready to
// use. When the peer finishes, Echo finishes too, after all queued bytes were sent.
//
// The server's high water holds back a peer that does not read. When a reply still does not fit, Echo ends the
// connection, so that no reply is lost silently. The reason is ReasonSlowConsumer when the send queue is full, and
// ReasonQueueBudget when all send queues together are.
type Echo struct {
	server.BaseHandler
	// Greeting is sent when a connection opens, at most MaxPrefix bytes. Default: none.
	Greeting []byte
	// Prefix is sent before the bytes of each read, or each frame, at most MaxPrefix bytes. Default: none. TCP keeps no
	// message boundaries: the peer's two writes may come in one read, and one write in two reads.
	Prefix []byte
}

// MaxPrefix is the greatest length of a Prefix and of a Greeting, in bytes. A send queue's reserve for handlers (128
// KiB) has room for a whole read (64 KiB) with such a prefix. A longer prefix is not refused, but may end the
// connection of a slow peer.
const MaxPrefix = 32 << 10

// WholeFrames makes frames come back with the header and delimiter that they came with, so that the same framing cuts
// them again at the peer.
func (Echo) WholeFrames() bool { return true }

// Name returns "echo".
func (Echo) Name() string { return "echo" }

// Open sends the greeting.
func (e Echo) Open(c *server.Conn) { greet(c, e.Greeting) }

// Data sends the prefix and the bytes back. It does not block, and keeps p no longer than the call.
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

// buffers join the prefix and the bytes, so that one send has both.
var buffers = sync.Pool{New: func() any { return new([]byte) }}
