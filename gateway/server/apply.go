package server

import (
	"time"

	"github.com/sockgate/sockgate/gateway/server/internal/label"
	"github.com/sockgate/sockgate/gateway/server/internal/silence"
)

// Change is what a handler does with a connection at once: all of it or nothing. The zero value changes nothing.
type Change struct {
	Data         []byte            // sent whole; not kept when Apply returns
	SetLabels    map[string]string // bounds as SetLabel has them
	RemoveLabels []string          // removed before SetLabels is applied
	Idle         *IdleRule         // nil: unchanged
	// Settled says that behind Data no answer is due any more; see Conn.Owe. It ends every Owe before it. A handler that
	// decides on it beside calls of Data needs a lock that both hold.
	Settled bool
}

// IdleRule is an idle timeout of one connection's own.
type IdleRule struct {
	// Timeout is in force in place of Limits.IdleTimeout: 10 ms to 10 years, or 0 for none. nil: unchanged.
	Timeout *time.Duration
	// Notify says that the end of the timeout closes nothing, whatever Config.IdleAction says: IdleTimeout is published
	// with Closing false, and an Idler is called, once for each idle period. nil: unchanged.
	Notify *bool
}

// Applied is the state of the send queue behind a Change.
type Applied struct {
	Queued int  // bytes in it
	High   bool // reading is paused for it: Drained will be called, unless the connection ends first
}

// check says which bound a change is out of.
func (x *Change) check() error {
	for key, value := range x.SetLabels {
		if err := label.Check(key, value); err != nil {
			return err
		}
	}
	if x.Idle != nil && x.Idle.Timeout != nil {
		return silence.Check(*x.Idle.Timeout)
	}
	return nil
}

// Apply changes a connection, all or nothing. It does not block, and may be called from any goroutine. The error is
// ErrClosed, ErrDropped, ErrBudget, ErrTooManyLabels, or says which bound a label or the timeout is out of. A
// connection that is ending still takes changes while its handler owes an answer; see Owe.
func (c *Conn) Apply(x Change) (Applied, error) {
	if err := x.check(); err != nil {
		return Applied{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.has(flagDone|flagClosed) || c.ending != nil && !c.ending.answering {
		return Applied{}, ErrClosed
	}
	var labels map[string]string
	relabel := len(x.SetLabels)+len(x.RemoveLabels) > 0
	if relabel {
		var ok bool
		if labels, ok = label.Changed(c.more().labels, x.SetLabels, x.RemoveLabels); !ok {
			return Applied{}, ErrTooManyLabels
		}
	}
	if len(x.Data) > 0 {
		if _, err := c.sendNow(x.Data); err != nil {
			return Applied{}, err
		}
	}
	if relabel {
		c.more().labels = labels
	}
	if x.Idle != nil {
		c.setIdle(x.Idle)
	}
	if x.Settled {
		c.settle()
	}
	return Applied{Queued: c.queued(), High: c.sending != nil && c.sending.paused != 0}, nil
}

// Owe says that an answer to the call of the handler under way is due later. It may be called inside Open, Data and End
// only. Until Change.Settled, an orderly end of the connection (a kick, a ban, a shutdown, an idle timeout, Close)
// waits for the answer, at most for its flush timeout, and takes the handler's sends meanwhile. What the peer sends
// then, its FIN too, reaches the handler no more, because no end would be in sight otherwise.
func (c *Conn) Owe() {
	if !c.marked(markOwes) {
		c.marks.Or(markOwes)
	}
}

// settle ends what Owe began. A call of the handler that is under way continues an ending by itself; see leave. The
// caller holds mu.
func (c *Conn) settle() {
	c.marks.And(^uint32(markOwes))
	if c.ending != nil && c.ending.answering && !c.inCall.Load() {
		c.answered()
	}
}

// Position returns how many bytes the peer had sent up to the end of what the handler has got: with frames, up to the
// end of the frame, skipped bytes before it included. It may be called inside Data, and inside End, where it is all
// that was received.
func (c *Conn) Position() uint64 { return c.received.Load() - uint64(c.behind.Load()) }
