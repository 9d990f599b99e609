package server

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

// Conn is one accepted connection. All its methods may be called from any goroutine and none of them blocks on the
// peer.
//
// There may be a million of them, most of them idle: what only some have is behind a pointer.
//
// Handlers are called without any lock.
type Conn struct {
	identity *event.Identity
	owner    *listener
	socket   transport.Socket

	received atomic.Uint64
	sent     atomic.Uint64
	active   atomic.Int64 // moment when a byte was last received or taken by the kernel
	inCall   atomic.Bool  // the handler is running; see leave
	ends     atomic.Bool  // ending is set

	mu      sync.Mutex
	listed  uint64   // sequence of its Connected event; 0 until that is published
	sending *sending // nil while nothing is queued, and for a while after it
	ending  *ending  // why it ends; nil while nothing ends it. Set with ends
	extra   *extra   // nil while it has none of it
	flags   connFlags
}

// extra is what few connections have. The connection's lock guards it.
type extra struct {
	labels    map[string]string // replaced, never modified
	value     any
	idle      moment       // value of active when an idle timeout was announced
	discarded uint64       // bytes received while closing
	rate      *receiveRate // nil until a receive rate holds
}

// more returns the connection's extra. The caller holds mu.
func (c *Conn) more() *extra {
	if c.extra == nil {
		c.extra = &extra{}
	}
	return c.extra
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
	// Handler.Open was called, so that Handler.Close must be; the socket may be written to
	flagOpened
	flagCounted // in Server.addresses
)

func (c *Conn) has(f connFlags) bool { return c.flags&f != 0 }

// seqOf says where a connection has its seq.
type seqOf struct{}

func (seqOf) Seq(c *Conn) *uint64 { return &c.identity.Seq }

// ID returns the connection's ID, `node.incarnation.seq`.
func (c *Conn) ID() string { return c.identity.ID() }

// RemoteAddr returns the peer's address: `ip:port`, or `unix:` and the listener's path.
func (c *Conn) RemoteAddr() string { return c.identity.RemoteAddr() }

// LocalAddr returns the gateway's address of the connection, in the same form.
func (c *Conn) LocalAddr() string { return c.identity.LocalAddr() }

// Info returns the connection as it is now.
func (c *Conn) Info() Connection {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.info()
}

// infoAt returns the connection as it is now, and the position of its Connected event; 0 when that is not published
// yet.
func (c *Conn) infoAt() (Connection, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.info(), c.listed
}

// info is Info for callers that hold mu.
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
	c.more().value = v
}

// Value returns what SetValue kept; nil at first.
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

// moment is a time on the server's monotonic clock, which the engine shares. Timeouts are measured with it, so that
// setting the machine's clock closes nobody.
type moment = transport.Moment

// now reads the clock.
func (s *Server) now() moment { return s.clock.Now() }

// at returns the moment's time of day.
func (s *Server) at(m moment) time.Time { return s.clock.At(m) }

// since returns how long ago a moment was.
func (s *Server) since(m moment) time.Duration { return time.Duration(s.now() - m) }
