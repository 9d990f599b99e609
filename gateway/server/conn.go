package server

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

// Conn is one accepted connection. All its methods may be called from any goroutine, also after the connection has
// closed, and none of them blocks on the peer. Handlers are called without any lock.
type Conn struct {
	// There may be a million of them, most of them idle: what only some have is behind a pointer.

	identity *event.Identity
	owner    *listener
	socket   transport.Socket

	received atomic.Uint64
	sent     atomic.Uint64
	active   atomic.Int64 // moment when a byte was last received, or taken by the kernel
	inCall   atomic.Bool  // the handler is running; see leave
	ends     atomic.Bool  // ending is set

	mu      sync.Mutex
	listed  uint64   // sequence of its Connected event; 0 until that is published
	sending *sending // nil while nothing is queued; may stay a while after the queue is empty
	ending  *ending  // nil until the connection begins to end; set together with ends
	extra   *extra   // nil until one of its fields is needed
	flags   connFlags
}

// extra has fields that few connections use. The connection's lock guards it.
type extra struct {
	labels    map[string]string // replaced, never modified
	value     any
	idle      moment       // value of active when an idle timeout was announced
	discarded uint64       // bytes received while closing
	rate      *receiveRate // nil until a receive rate is set
}

// more returns the connection's extra, and makes it at the first call. The caller holds mu.
func (c *Conn) more() *extra {
	if c.extra == nil {
		c.extra = &extra{}
	}
	return c.extra
}

type connFlags uint16

const (
	flagFlushing  connFlags = 1 << iota // a flush of the socket is under way
	flagPeerEnded                       // the peer finished writing
	flagFinish                          // CloseWrite was called: FIN follows the queue
	flagFinished                        // FIN was sent
	flagAnnounced                       // BackpressureOn was published for this pause
	flagDone                            // the socket was told to close
	flagClosed                          // the descriptor is closed
	// Handler.Open was called, so that Handler.Close must be. The socket may be written to.
	flagOpened
	flagCounted // in the counts of Server.addresses
)

func (c *Conn) has(f connFlags) bool { return c.flags&f != 0 }

// seqOf tells the registry where a connection keeps its seq.
type seqOf struct{}

// Seq returns a pointer to the seq of c.
func (seqOf) Seq(c *Conn) *uint64 { return &c.identity.Seq }

// ID returns the connection's ID, `node.incarnation.seq`.
func (c *Conn) ID() string { return c.identity.ID() }

// RemoteAddr returns the peer's address: `ip:port`, or `unix:` and the listener's path.
func (c *Conn) RemoteAddr() string { return c.identity.RemoteAddr() }

// LocalAddr returns the gateway's address of the connection, in the form of RemoteAddr.
func (c *Conn) LocalAddr() string { return c.identity.LocalAddr() }

// Server returns the server that accepted the connection, for handlers that call its verbs.
func (c *Conn) Server() *Server { return c.owner.server }

// Info returns the connection as it is now, its labels, counts and state included. It is a copy.
func (c *Conn) Info() Connection {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.info()
}

// infoAt returns a copy of the connection's current state, and the sequence of its Connected event; 0 before that is
// published.
func (c *Conn) infoAt() (Connection, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.info(), c.listed
}

// info does the work of Info. The caller holds mu.
func (c *Conn) info() Connection {
	info := Connection{
		Identity:      c.identity,
		LastActiveAt:  c.owner.server.at(moment(c.active.Load())),
		BytesReceived: c.received.Load(),
		BytesSent:     c.sent.Load(),
		State:         c.state(),
	}
	if b := c.sending; b != nil {
		info.QueuedBytes, info.ReadPaused = uint64(b.queue.Size), b.paused != 0
	}
	if x := c.extra; x != nil {
		info.DiscardedBytes, info.Labels = x.discarded, x.labels
	}
	if e := c.ending; e != nil {
		info.CloseReason, info.CloseText, info.ClosedBy = e.reason, e.text, e.by
		info.ClosedAt, info.UnsentBytes = e.closedAt, e.unsent
	}
	return info
}

// state returns the connection's state. The caller holds mu.
func (c *Conn) state() State {
	switch {
	case c.has(flagClosed):
		return event.StateClosed
	case c.ending != nil, c.has(flagPeerEnded) && c.has(flagFinish): // only the queue is left to be flushed
		return event.StateClosing
	case c.has(flagPeerEnded):
		return event.StateHalfClosedRemote
	case c.has(flagFinish):
		return event.StateHalfClosedLocal
	}
	return event.StateOpen
}

// SetValue keeps v for the handler, in place of an earlier value. The server does not use it.
func (c *Conn) SetValue(v any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.more().value = v
}

// Value returns the value of the last SetValue; nil before the first.
func (c *Conn) Value() any {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.extra == nil {
		return nil
	}
	return c.extra.value
}

// publish appends an event about the connection. The caller holds mu.
func (c *Conn) publish(t event.Type, detail event.Detail) {
	c.owner.server.log.Append(&event.Event{Type: t, Conn: c.info(), Detail: detail})
}

// moment is a time on the server's monotonic clock, which the engine shares. Timeouts use it, so that setting the
// machine's clock closes no connection.
type moment = transport.Moment

func (s *Server) now() moment { return s.clock.Now() }

// at returns the time of day of a moment.
func (s *Server) at(m moment) time.Time { return s.clock.At(m) }

// since returns the time since a moment.
func (s *Server) since(m moment) time.Duration { return time.Duration(s.now() - m) }
