package server

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/frame"
	"github.com/sockgate/sockgate/gateway/server/internal/credit"
	"github.com/sockgate/sockgate/gateway/server/internal/framing"
	"github.com/sockgate/sockgate/gateway/server/internal/pause"
	"github.com/sockgate/sockgate/gateway/server/internal/silence"
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
	marks    atomic.Uint32

	mu      sync.Mutex
	listed  uint64   // sequence of its Connected event; 0 until that is published
	sending *sending // nil while nothing is queued; may stay a while after the queue is empty
	ending  *ending  // nil until the connection begins to end; set together with ends
	extra   *extra   // nil until one of its fields is needed
	flags   connFlags
	behind  atomic.Uint32 // bytes received behind the frame that the handler has got; those of half a frame between reads
}

// The bits of Conn.marks.
const (
	markEnds = 1 << iota // ending is set
	markOwes             // the handler owes an answer; see Owe
)

func (c *Conn) marked(mark uint32) bool { return c.marks.Load()&mark != 0 }

// extra has fields that few connections use. The connection's lock guards it.
type extra struct {
	labels map[string]string // replaced, never modified
	value  any
	idle   moment        // when the idle period began that was announced last
	rate   *credit.Meter // nil until a receive rate is set
	rare   *rare         // nil until one of its fields is needed
}

// rare has fields that even fewer connections use: those that are closing, have half a frame, or whose handler paused
// them or gave them an idle timeout or an owner. The connection's lock guards it.
type rare struct {
	discarded uint64        // bytes received while closing
	lost      uint64        // bytes of frames that no handler got
	half      *framing.Half // nil while no half frame has come
	pause     *pause.Pause  // of the handler; nil until the first
	rule      *silence.Rule // idle timeout of its own; nil until one is set
	ownership *Ownership    // nil until Follow
}

// more returns the connection's extra, and makes it at the first call. The caller holds mu.
func (c *Conn) more() *extra {
	if c.extra == nil {
		c.extra = &extra{}
	}
	return c.extra
}

// rarely returns the connection's rare fields, and makes them at the first call. The caller holds mu.
func (c *Conn) rarely() *rare {
	x := c.more()
	if x.rare == nil {
		x.rare = &rare{}
	}
	return x.rare
}

// rare returns the connection's rare fields, to be read only. The caller holds mu.
func (c *Conn) rare() *rare {
	if c.extra == nil || c.extra.rare == nil {
		return &nothing
	}
	return c.extra.rare
}

// nothing is what most connections have of the rare fields.
var nothing rare

// tidy gives up the fields that are not needed any more. The caller holds mu.
func (c *Conn) tidy() {
	x := c.extra
	if x.rare != nil && *x.rare == nothing {
		x.rare = nil
	}
	if x.rare == nil && x.labels == nil && x.value == nil && x.idle == 0 && x.rate == nil {
		c.extra = nil
	}
}

// stopTimers ends the timers of a connection that is closed. The caller holds mu.
func (c *Conn) stopTimers() {
	r := c.rare()
	if r.rule != nil {
		r.rule.Stop()
	}
	if r.pause != nil {
		r.pause.Stop()
	}
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
	flagCounted      // in the counts of Server.addresses
	flagHandlerPause // between Pause and Resume
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
	info.ReadPaused = c.has(flagHandlerPause)
	if b := c.sending; b != nil {
		info.QueuedBytes, info.ReadPaused = uint64(b.queue.Size), info.ReadPaused || b.paused != 0
	}
	if x := c.extra; x != nil {
		info.Labels = x.labels
		r := c.rare()
		info.DiscardedBytes = r.discarded + r.lost
		if r.ownership != nil {
			r.ownership.Show(&info)
		}
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

// Seq returns the last part of the connection's ID: its number in the life of the server, from 1.
func (c *Conn) Seq() uint64 { return c.identity.Seq }

// Framed reports whether the connection's listener cuts what it receives into frames.
func (c *Conn) Framed() bool { return c.owner.config.Frame != (frame.Format{}) }
