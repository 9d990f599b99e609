package remote

import (
	"fmt"
	"runtime/debug"

	"github.com/sockgate/sockgate/gateway/event"
)

// begin starts a call of the handler. An ordered one acknowledges what comes before position. It returns false when the
// handler has ended the connection, and must not be called.
func (c *Conn) begin(position uint64, ordered bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return false
	}
	c.change, c.ordered = &c.lane.scratch, ordered
	if ordered {
		c.position = position
	}
	c.lane.watch.reader.beat(false)
	return true
}

// finish ends a call: its command is sent, or waits for answers that were deferred before. Only the lane's reader calls
// it.
func (c *Conn) finish() {
	c.mu.Lock()
	g, ordered := &c.lane.scratch, c.ordered
	switch {
	case c.reset:
		c.answers, c.held = nil, 0
	case c.answer != nil:
		c.queue(c.answer)
	case ordered && len(c.answers) > 0:
		c.held += len(g.data)
		c.queue(&Answer{conn: c, position: c.position, change: *g, done: true})
		*g = change{}
	default:
		c.leaveCall()
		c.sent += uint64(len(g.data))
		position := c.position
		c.mu.Unlock()
		c.send(g, position, ordered)
		return
	}
	c.leaveCall()
	c.flush()
	c.mu.Unlock()
	g.data, g.rare = g.data[:0], nil
}

// leaveCall ends the state of a call. The caller holds mu.
func (c *Conn) leaveCall() { c.change, c.answer, c.ordered = nil, nil, false }

// send posts the command of a call, and empties g.
func (c *Conn) send(g *change, position uint64, ordered bool) {
	if ordered {
		c.lane.out.post(c.number, g, position)
	} else if !g.empty() {
		c.lane.out.post(c.number, g, 0)
	}
	g.data, g.rare = g.data[:0], nil
}

// finish ends a call of the handler, also one that panicked. It must be deferred.
func (l *lane) finish(c *Conn) {
	if l.returned {
		c.finish()
		return
	}
	p := recover()
	text := "the handler called runtime.Goexit"
	if p != nil {
		text = event.ShortText(fmt.Sprintf("the handler panicked: %v", p))
	} else {
		l.slot.node.fleet.fail(errGoexit)
	}
	l.logger.Error("a call of the handler did not return", "connection", c.ID(), "text", text,
		"stack", string(debug.Stack()))
	c.Reset(text)
	c.finish()
}

// open calls Open.
func (l *lane) open(c *Conn, position uint64) {
	if !c.begin(position, true) {
		return
	}
	l.returned = false
	defer l.finish(c)
	l.handler.Open(c)
	l.returned = true
}

// data calls Data.
func (l *lane) data(c *Conn, p []byte, position uint64) {
	if !c.begin(position, true) {
		return
	}
	l.returned = false
	defer l.finish(c)
	l.handler.Data(c, p)
	l.returned = true
}

// ended calls End.
func (l *lane) ended(c *Conn, position uint64) {
	if !c.begin(position, true) {
		return
	}
	l.returned = false
	defer l.finish(c)
	l.handler.End(c)
	l.returned = true
}

// tell calls a method that acknowledges nothing.
func (l *lane) tell(c *Conn, call func(*Conn)) {
	if call == nil || !c.begin(0, false) {
		return
	}
	l.returned = false
	defer l.finish(c)
	call(c)
	l.returned = true
}

// closed makes the last call.
func (l *lane) closed(c *Conn, call func(*Conn)) {
	c.leave()
	defer func() {
		if p := recover(); p != nil {
			l.logger.Error("the handler panicked at the end of a connection", "connection", c.ID(),
				"panic", event.ShortText(fmt.Sprint(p)), "stack", string(debug.Stack()))
		}
	}()
	call(c)
}

// leave takes the connection from the lane: nothing that it holds is sent any more.
func (c *Conn) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	c.answers, c.held = nil, 0
}
