package remote

import (
	"maps"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// Conn is one connection while a lane owns it. Its methods may be called from any goroutine, also after the connection
// has closed or moved. During a call of the handler for the connection, the sends and changes of every goroutine go
// with that call's command. At other times each Send, Write, SetState, SetLabel, RemoveLabel, SetIdleTimeout,
// NotifyIdle, Close, Reset and MoveTo is a command of its own, and blocks while more than 1 MiB of commands waits for
// the network. The other methods do not block.
type Conn struct {
	number  uint64 // on its lane; a connection that comes back has another one
	lane    *lane
	info    *pb.Connection
	resumed bool
	attempt int

	mu       sync.Mutex
	position uint64
	change   *change   // of the call under way; nil outside of calls
	ordered  bool      // the call under way acknowledges
	answer   *Answer   // of the call under way; nil until it defers
	answers  []*Answer // of calls that have returned, in order; the first one is not done
	held     int       // bytes of data in answers, and in answer
	sent     uint64    // bytes of all commands
	written  written
	state    []byte
	labels   map[string]string
	own      bool // labels is not info's
	closing  bool // the handler has ended it
	reset    bool // at once
	gone     bool // the lane has it no more
	value    any
	text     string // of the close
	unsent   uint64
}

func newConn(l *lane, number, position uint64, o *pb.Opened) *Conn {
	info := o.GetConnection()
	if info == nil {
		info = &pb.Connection{}
	}
	return &Conn{number: number, lane: l, info: info, resumed: o.GetResumed(), attempt: int(o.GetAttempt()),
		position: position, sent: o.GetSent(), state: o.GetState(), labels: info.GetLabels()}
}

// ID returns the connection's ID, `node.incarnation.seq`, which stays the same when the connection moves.
func (c *Conn) ID() string { return c.info.GetId() }

// RemoteAddr returns the peer's address: `ip:port`, or `unix:` and the listener's path.
func (c *Conn) RemoteAddr() string { return c.info.GetRemoteAddress() }

// LocalAddr returns the gateway's address of the connection, in the form of RemoteAddr.
func (c *Conn) LocalAddr() string { return c.info.GetLocalAddress() }

// Info returns the connection as it was at Open. The caller must not modify it.
func (c *Conn) Info() *pb.Connection { return c.info }

// Resumed reports whether another lane owned the connection before.
func (c *Conn) Resumed() bool { return c.resumed }

// Attempt returns how many owners were lost at the position at which this one began; 0 for most. A handler may treat
// data that have cost others their life with care.
func (c *Conn) Attempt() int { return c.attempt }

// Position returns how many bytes were received from the peer, from the start of the connection up to the end of the
// bytes that the last call of Open, Data or End was given.
func (c *Conn) Position() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.position
}

// State returns the state that the last owner left, or that of the last SetState. The caller must not modify it.
func (c *Conn) State() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// Label returns the value of a label as of Open and of this program's changes since; "" when it is not set. Later
// changes by callers of the control plane are not seen.
func (c *Conn) Label(key string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.labels[key]
}

// Value returns the value of the last SetValue; nil before the first.
func (c *Conn) Value() any {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.value
}

// SetValue keeps v for the handler, in place of an earlier value. It stays in this program: a connection that moves
// begins without a value. SetState goes along.
func (c *Conn) SetValue(v any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.value = v
}

// CloseText returns the text of the close; empty before Close is called.
func (c *Conn) CloseText() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text
}

// Unsent returns how many bytes were accepted for the peer and not acknowledged by its kernel when the connection
// closed; 0 before Close is called.
func (c *Conn) Unsent() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.unsent
}

// Send sends p whole and in order: with the call's command, or as one of its own. p may be modified when it returns.
// The error is ErrClosed or ErrDropped. No error does not mean that the peer gets p. The gateway closes a connection
// whose send queue has no room for a command, as SLOW_CONSUMER.
func (c *Conn) Send(p []byte) error {
	return c.alter(len(p), func(g *change) error {
		g.data = append(g.data, p...)
		return nil
	})
}

// Write is Send in the form of an io.Writer. It returns len(p), or 0 and an error.
func (c *Conn) Write(p []byte) (int, error) {
	if err := c.Send(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// SetState keeps state in the gateway for the next owner, in place of the last: at most 4 KiB. The error is ErrClosed,
// or says that state is too long. state may be modified when it returns.
func (c *Conn) SetState(state []byte) error {
	if err := checkState(state); err != nil {
		return err
	}
	return c.alter(0, func(g *change) error { return c.setState(g, state) })
}

// SetLabel sets one label: a key of `[a-z0-9._-]{1,63}` and a value of at most 256 bytes of UTF-8. The error is
// ErrClosed, ErrTooManyLabels, or says which bound the key or value is out of. Hazard: the gateway closes the
// connection if the labels of others, which this program does not see, and this one are more than 16.
func (c *Conn) SetLabel(key, value string) error {
	if err := checkLabel(key, value); err != nil {
		return err
	}
	return c.alter(0, func(g *change) error { return c.setLabel(g, key, value) })
}

// RemoveLabel removes a label; one that is not set is ignored. The error is ErrClosed, ErrTooManyLabels when one
// command would remove more than 16, or says that the key is none.
func (c *Conn) RemoveLabel(key string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	return c.alter(0, func(g *change) error { return c.removeLabel(g, key) })
}

// SetIdleTimeout sets the connection's own idle timeout, in place of the gateway's limit: 10 ms to 10 years, or 0 for
// none. The error is ErrClosed, or says that d is out of its bounds.
func (c *Conn) SetIdleTimeout(d time.Duration) error {
	if err := checkIdle(d); err != nil {
		return err
	}
	return c.alter(0, func(g *change) error {
		g.more().IdleTimeout = durationpb.New(d)
		return nil
	})
}

// NotifyIdle says whether the end of the idle timeout calls Idle of the handler, and does not close the connection. The
// error is ErrClosed.
func (c *Conn) NotifyIdle(on bool) error {
	return c.alter(0, func(g *change) error {
		g.more().NotifyIdle = &on
		return nil
	})
}

// MoveTo moves the connection to an instance of the handler on the same node, for example to the one that has the
// session of its user. Unacknowledged bytes are delivered again there. Where the instance has no lane, or no room, the
// connection stays. The error is ErrClosed, or says that the instance has no valid name.
func (c *Conn) MoveTo(instance string) error {
	if err := checkInstance(instance); err != nil {
		return err
	}
	return c.alter(0, func(g *change) error {
		g.more().MoveTo = instance
		return nil
	})
}

// Close ends the connection when all that was sent before is flushed. The text is for events and logs, not for the
// peer: at most 256 bytes are kept. Data is called no more, and nothing can be sent after it but deferred answers. In a
// call it goes with the call's command, behind deferred answers.
func (c *Conn) Close(text string) {
	_ = c.alter(0, func(g *change) error { // the error says that it has ended already
		g.close(text, false)
		c.closing = true
		return nil
	})
}

// Reset ends the connection at once, and discards what is queued, deferred or sent by the call under way. The text is
// that of Close. Like a send outside of a call, it blocks while more than 1 MiB of commands waits.
func (c *Conn) Reset(text string) {
	c.mu.Lock()
	over := c.gone || c.reset
	c.closing, c.reset = true, true
	c.mu.Unlock()
	if !over {
		var g change
		g.close(text, true)
		c.lane.out.post(c.number, &g, 0)
	}
}

// alter makes a change: of the call under way, or a command of its own. n is how many bytes of data it adds.
func (c *Conn) alter(n int, with func(*change) error) error {
	c.mu.Lock()
	if err := c.admits(n); err != nil {
		c.mu.Unlock()
		return err
	}
	if c.change != nil {
		defer c.mu.Unlock()
		if c.answer != nil {
			c.held += n
		}
		return with(c.change)
	}
	g := &change{}
	err := with(g)
	c.sent += uint64(n)
	c.mu.Unlock()
	if err == nil && !c.lane.out.post(c.number, g, 0) {
		return ErrClosed
	}
	return err
}

// admits says why n more bytes cannot be sent. The caller holds mu.
func (c *Conn) admits(n int) error {
	held := 0
	switch {
	case c.closing || c.gone:
		return ErrClosed
	case c.answer != nil:
		held = c.held
	case c.change != nil:
		held = c.held + len(c.change.data)
	}
	if held+n > MaxData {
		return ErrDropped
	}
	return nil
}

// setState changes g and the state that this program sees. The caller holds mu.
func (c *Conn) setState(g *change, state []byte) error {
	c.state = append([]byte{}, state...) // not nil: an empty state replaces the last
	g.more().State = c.state
	return nil
}

// setLabel changes g and the labels that this program sees. The caller holds mu.
func (c *Conn) setLabel(g *change, key, value string) error {
	if _, ok := c.labels[key]; !ok && len(c.labels) >= MaxLabels {
		return ErrTooManyLabels
	}
	c.ownLabels()[key] = value
	g.setLabel(key, value)
	return nil
}

// removeLabel changes g and the labels that this program sees. The caller holds mu.
func (c *Conn) removeLabel(g *change, key string) error {
	if g.rare != nil && len(g.rare.RemoveLabels) >= MaxLabels && !slices.Contains(g.rare.RemoveLabels, key) {
		return ErrTooManyLabels
	}
	delete(c.ownLabels(), key)
	g.removeLabel(key)
	return nil
}

// ownLabels returns labels that may be modified: those of Info must stay. The caller holds mu.
func (c *Conn) ownLabels() map[string]string {
	if !c.own {
		labels := make(map[string]string, len(c.labels)+1)
		maps.Copy(labels, c.labels)
		c.labels, c.own = labels, true
	}
	return c.labels
}
