package server

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/transport"
)

// Conn is one accepted connection. All its methods may be called from any goroutine and none of them blocks on the peer.
//
// Server has the order of the locks. Handlers are called without any.
type Conn struct {
	identity *event.Identity
	server   *Server
	handler  Handler
	owner    *listener
	socket   transport.Socket

	received  atomic.Uint64
	sent      atomic.Uint64
	active    atomic.Int64  // moment when a byte was last received or taken by the kernel
	discarded atomic.Uint64 // received while closing

	mu       sync.Mutex
	listed   uint64 // sequence of its Connected event; 0 until that is published
	queue    sendQueue
	labels   map[string]string // replaced, never modified
	value    any
	progress moment // when the kernel last took a byte of the queue, or the peer's kernel one of the kernel's; or the queue began
	held     int    // bytes that the kernel held for the peer when progress was last looked for; -1 when it was not
	paused   moment // since when reading is paused; 0 when it is not
	idle     moment // value of active for which an idle timeout was announced
	waits    []*writeWait
	ending   *ending     // why it ends; nil while nothing ends it
	announce *time.Timer // looks whether a pause has lasted; nil when none was made lately
	flags    connFlags
}

type connFlags uint16

const (
	flagFlushing  connFlags = 1 << iota // the socket is asking for bytes
	flagPeerEnded                       // the peer finished writing
	flagFinish                          // CloseWrite was called: FIN behind the queue
	flagFinished                        // FIN was sent
	flagAnnounced                       // BackpressureOn was published for this pause
	flagDone                            // the socket was told to close
	flagClosed                          // the descriptor is closed
	flagOpened                          // Handler.Open was called, so that Handler.Close must be; the socket may be written to
	flagInCall                          // the handler is running
)

func (c *Conn) has(f connFlags) bool { return c.flags&f != 0 }

// ID returns the connection's ID, `node.incarnation.seq`.
func (c *Conn) ID() string { return c.identity.ID() }

// RemoteAddr returns the peer's address: `ip:port`, or `unix:` and the listener's path.
func (c *Conn) RemoteAddr() string { return c.identity.RemoteAddress() }

// LocalAddr returns the gateway's address of the connection, in the same form.
func (c *Conn) LocalAddr() string { return c.identity.LocalAddress() }

// Info returns the connection as it is now.
func (c *Conn) Info() Info {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.info()
}

// infoAt returns the connection as it is now, and the position of its Connected event; 0 when that is not published yet.
func (c *Conn) infoAt() (Info, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.info(), c.listed
}

// info is Info for callers that hold mu.
func (c *Conn) info() Info {
	info := Info{
		Identity:       c.identity,
		LastActiveAt:   c.server.at(moment(c.active.Load())),
		BytesReceived:  c.received.Load(),
		BytesSent:      c.sent.Load(),
		QueuedBytes:    uint64(c.queue.size),
		DiscardedBytes: c.discarded.Load(),
		Labels:         c.labels,
		State:          c.state(),
		ReadPaused:     c.paused != 0,
	}
	if e := c.ending; e != nil {
		info.CloseReason, info.CloseText, info.ClosedBy = e.reason, e.text, e.by
		info.ClosedAt, info.UnsentBytes = e.closedAt, e.unsent
	}
	return info
}

// state derives the state. The caller holds mu.
func (c *Conn) state() State {
	switch {
	case c.has(flagClosed):
		return event.StateClosed
	case c.ending != nil, c.has(flagPeerEnded) && c.has(flagFinish): // what is left is to flush the queue
		return event.StateClosing
	case c.has(flagPeerEnded):
		return event.StateHalfClosedRemote
	case c.has(flagFinish):
		return event.StateHalfClosedLocal
	}
	return event.StateOpen
}

// SetValue keeps v for the handler; Value returns it. The server does not look at it.
func (c *Conn) SetValue(v any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.value = v
}

// Value returns what SetValue kept; nil at first.
func (c *Conn) Value() any {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.value
}

// publish appends an event about the connection. The caller holds mu.
func (c *Conn) publish(t event.Type, detail event.Detail) {
	c.server.log.Append(&event.Event{Type: t, Conn: c.info(), Detail: detail})
}
