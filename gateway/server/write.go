package server

import (
	"errors"

	"github.com/sockgate/sockgate/gateway/event"
)

// ErrDropped says that a send did not fit into the send queue. No byte of it was sent.
var ErrDropped = errors.New("send queue is full: no byte was sent; wait for the peer to read, or raise the send " +
	"queue limit")

// ErrClosed says that the connection is closing or closed.
var ErrClosed = errors.New("connection is closed")

// Send gives p to the peer: what the kernel does not take at once is copied to the send queue. The outcome is
// OutcomeWritten, OutcomeQueued, OutcomeDroppedQueueFull (with ErrDropped), OutcomeDroppedBudget (with ErrBudget) or
// OutcomeClosed (with ErrClosed). p is sent whole and in order, never interleaved with another send, or not at all. A
// handler that cannot do without what was dropped ends the connection, with ReasonSlowConsumer or ReasonQueueBudget.
func (c *Conn) Send(p []byte) (Outcome, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.writable() || c.ending != nil && !c.ending.answering {
		return OutcomeClosed, ErrClosed
	}
	switch o := c.put(p, c.owner.server.limits.Load().handlerRoom(), false); o {
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

// Write is Send in the form of an io.Writer, for fmt.Fprintf and encoders. It never blocks and never takes a part of p:
// it returns len(p) when all of p was written or queued, else 0 and ErrDropped (the send queue is full), ErrBudget, or
// ErrClosed. The caller may use p again when it returns.
func (c *Conn) Write(p []byte) (int, error) {
	if _, err := c.Send(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// writable reports whether FIN has not been sent or announced, and the socket is open. The caller holds mu.
func (c *Conn) writable() bool { return !c.has(flagFinish | flagDone | flagClosed) }

// send is what verbs use: nothing is accepted for a connection that is ending. p never changes and may be referred to.
// The caller holds mu.
func (c *Conn) send(p []byte) Outcome {
	if !c.writable() || c.ending != nil {
		return OutcomeClosed
	}
	return c.put(p, c.owner.server.limits.Load().verbRoom(), true)
}

// put accepts p whole or not at all. With shared, p never changes and may be referred to. The caller holds mu and has
// checked that the connection is writable.
func (c *Conn) put(p []byte, room room, shared bool) Outcome {
	o := OutcomeDroppedQueueFull
	if c.queued()+len(p) <= room.queue {
		o = c.enqueue(p, room, shared)
	}
	if o == OutcomeDroppedQueueFull || o == OutcomeDroppedBudget {
		c.owner.server.counters.dropped.Add(1)
	}
	return o
}

// enqueue writes what the kernel takes and queues the rest, if that fits in the queue budget: a peer that keeps up is
// served however full the queues of others are. When the rest of p does not fit, not even in the reserve, the
// connection ends: a part of p must not be the last that its peer gets. The caller holds mu.
func (c *Conn) enqueue(p []byte, room room, shared bool) Outcome {
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
		begun := n > 0 || c.owner.config.TLS != nil // TLS may have encrypted the beginning, which then has to be sent
		if begun {
			room.all = c.owner.server.limits.Load().handlerRoom().all
		}
		if p = p[n:]; !c.owner.server.queued.Take(len(p), room.all) {
			return c.refuseRest(begun)
		}
	} else if !c.owner.server.queued.Take(len(p), room.all) {
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

// refuseRest is the outcome of a send that the kernel did not take whole, when the queue budget has no room for the
// rest. The caller holds mu.
func (c *Conn) refuseRest(begun bool) Outcome {
	if !begun {
		return OutcomeDroppedBudget
	}
	c.endNow(ending{reason: ReasonQueueBudget, text: "all send queues together have no room for the rest of a send"}, true)
	return OutcomeClosed
}

// took counts bytes that the kernel took. The caller holds mu.
func (c *Conn) took(n int) {
	if n == 0 {
		return
	}
	c.sent.Add(uint64(n))
	if !c.inCall.Load() { // else the moment of the read that is being answered stands
		c.active.Store(int64(c.owner.server.now()))
	}
	if b := c.sending; b != nil {
		b.progress, b.held = c.owner.server.now(), -1
	}
	c.owner.server.counters.sent.Add(c.identity.Seq, n)
}
