package server

import (
	"errors"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/sendqueue"
)

// ErrClosed says that the connection is closing or closed.
var ErrClosed = errors.New("connection is closed")

// Send sends p whole and in order, never interleaved with another send, or not at all. It does not block, and copies
// the bytes that the kernel does not take at once to the send queue. The outcome is OutcomeWritten, OutcomeQueued,
// OutcomeDroppedQueueFull (with ErrDropped), OutcomeDroppedBudget (with ErrBudget) or OutcomeClosed (with ErrClosed). A
// handler that cannot continue after a dropped send ends the connection, with ReasonSlowConsumer or ReasonQueueBudget.
func (c *Conn) Send(p []byte) (Outcome, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sendNow(p)
}

// sendNow does the work of Send. The caller holds mu.
func (c *Conn) sendNow(p []byte) (Outcome, error) {
	if !c.writable() || c.ending != nil && !c.mayAnswer(len(p)) {
		return OutcomeClosed, ErrClosed
	}
	switch o := c.put(p, c.handlerRoom(), false); o {
	case OutcomeDroppedQueueFull:
		return o, ErrDropped
	case OutcomeDroppedBudget:
		return o, ErrBudget
	case OutcomeClosed:
		return o, ErrClosed
	default:
		return o, nil
	}
}

// Write is Send in the form of an io.Writer, for fmt.Fprintf and encoders. It does not block, and sends all of p or
// nothing. It returns len(p) when p was written or queued, else 0 and ErrDropped, ErrBudget or ErrClosed. The caller
// may modify p when Write returns.
func (c *Conn) Write(p []byte) (int, error) {
	if _, err := c.Send(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// writable reports whether bytes may still be sent: no FIN is sent or due, and the socket is open. The caller holds mu.
func (c *Conn) writable() bool { return !c.has(flagFinish | flagDone | flagClosed) }

// send does the sends of verbs, and refuses them while the connection is ending. p must never change, because the queue
// may refer to it. The caller holds mu.
func (c *Conn) send(p []byte) Outcome {
	if !c.writable() || c.ending != nil {
		return OutcomeClosed
	}
	return c.put(p, c.owner.server.limits.Load().verbRoom(), true)
}

// put accepts p whole or not at all. With shared, p must never change, because the queue may refer to it. The
// connection is writable, and the caller holds mu.
func (c *Conn) put(p []byte, room sendqueue.Room, shared bool) Outcome {
	o := OutcomeDroppedQueueFull
	if c.queued()+len(p) <= room.Queue {
		o = c.enqueue(p, room, shared)
	}
	if o == OutcomeDroppedQueueFull || o == OutcomeDroppedBudget {
		c.owner.server.counters.Dropped.Add(1)
	}
	return o
}

// enqueue writes the bytes that the kernel takes, and queues the rest if the queue budget has room. A peer that keeps
// up is served however full the queues of others are. When even the reserve has no room for the rest of p, the
// connection ends, because nothing may follow a part of p. The caller holds mu.
func (c *Conn) enqueue(p []byte, room sendqueue.Room, shared bool) Outcome {
	if c.queued() == 0 && c.has(flagOpened) && !c.has(flagFlushing) {
		n, err := c.socket.TryWrite(p)
		c.took(n)
		if err != nil {
			c.fail(event.OpWrite, err)
			return OutcomeClosed
		}
		if n == len(p) {
			return OutcomeWritten
		}
		begun := n > 0 || c.owner.config.TLS != nil // TLS may have encrypted the beginning, which must be sent then
		if begun {
			room.All = c.handlerRoom().All
		}
		if p = p[n:]; !c.owner.server.queued.Take(len(p), room.All) {
			return c.refuseRest(begun)
		}
	} else if !c.owner.server.queued.Take(len(p), room.All) {
		return OutcomeDroppedBudget
	}
	if c.sending == nil {
		c.sending = sendings.Get().(*sending)
	}
	b := c.sending
	if b.queue.Size == 0 {
		b.progress, b.held = c.owner.server.now(), -1
	}
	b.queue.Push(p, shared)
	c.pauseIfHigh()
	if c.has(flagOpened) && !c.has(flagFlushing) && c.socket.Flush() {
		c.flags |= flagFlushing
	}
	return OutcomeQueued
}

// refuseRest returns the outcome of a send when the kernel took only a part, or nothing, and the queue budget has no
// room for the rest. It ends the connection if the send has begun. The caller holds mu.
func (c *Conn) refuseRest(begun bool) Outcome {
	if !begun {
		return OutcomeDroppedBudget
	}
	c.endNow(ending{reason: ReasonQueueBudget, text: "all send queues together have no room for the rest of a send"}, true)
	return OutcomeClosed
}

// took records n bytes that the kernel took. The caller holds mu.
func (c *Conn) took(n int) {
	if n == 0 {
		return
	}
	c.sent.Add(uint64(n))
	if !c.inCall.Load() { // else the moment of the read that the handler answers counts
		c.active.Store(int64(c.owner.server.now()))
	}
	if b := c.sending; b != nil {
		b.progress, b.held = c.owner.server.now(), -1
	}
	c.owner.server.counters.Sent.Add(c.identity.Seq, n)
}
