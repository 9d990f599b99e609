package remote

// Answer is the rest of a call of Open, Data or End that answers later. The bytes of the call stay unacknowledged until
// Done, and so do those of later calls for the connection: acknowledgements are in order. Sends of those calls wait
// too, so that they go with the acknowledgement of their bytes. A program that never calls Done stops its connection
// when the window is full. Sends outside of calls do not wait.
//
// All methods may be called from any goroutine, and return ErrClosed or do nothing when the connection has ended or
// moved: its next owner then gets the bytes again.
type Answer struct {
	conn     *Conn
	position uint64
	change   change
	done     bool
	closed   bool // Close was called
}

// Defer keeps the bytes of the call under way unacknowledged until Done of the answer. All that the call sends and
// sets, before Defer and after it, becomes a part of the answer. A second Defer in the same call returns the same
// answer. It may be called only in Open, Data or End for the connection, and panics at other times.
func (c *Conn) Defer() *Answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.change == nil || !c.ordered {
		panic("remote: Defer outside of Open, Data and End")
	}
	if c.answer == nil {
		a := &Answer{conn: c, position: c.position, change: *c.change}
		*c.change = change{}
		c.change, c.answer = &a.change, a
		c.held += len(a.change.data)
	}
	return c.answer
}

// Conn returns the connection.
func (a *Answer) Conn() *Conn { return a.conn }

// Send adds p to the answer, whole and behind what was sent before. It does not block. p may be modified when it
// returns. The error is ErrClosed, ErrDone, or ErrDropped.
func (a *Answer) Send(p []byte) error {
	return a.alter(len(p), func() error {
		a.change.data = append(a.change.data, p...)
		return nil
	})
}

// Write is Send in the form of an io.Writer. It returns len(p), or 0 and an error.
func (a *Answer) Write(p []byte) (int, error) {
	if err := a.Send(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// SetState is Conn.SetState as a part of the answer. It does not block.
func (a *Answer) SetState(state []byte) error {
	if err := checkState(state); err != nil {
		return err
	}
	return a.alter(0, func() error { return a.conn.setState(&a.change, state) })
}

// SetLabel is Conn.SetLabel as a part of the answer. It does not block.
func (a *Answer) SetLabel(key, value string) error {
	if err := checkLabel(key, value); err != nil {
		return err
	}
	return a.alter(0, func() error { return a.conn.setLabel(&a.change, key, value) })
}

// RemoveLabel is Conn.RemoveLabel as a part of the answer. It does not block.
func (a *Answer) RemoveLabel(key string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	return a.alter(0, func() error { return a.conn.removeLabel(&a.change, key) })
}

// MoveTo is Conn.MoveTo as a part of the answer. It does not block.
func (a *Answer) MoveTo(instance string) error {
	if err := checkInstance(instance); err != nil {
		return err
	}
	return a.alter(0, func() error {
		a.change.more().MoveTo = instance
		return nil
	})
}

// Close is Conn.Close as a part of the answer. It does not block; Done must follow.
func (a *Answer) Close(text string) {
	_ = a.alter(0, func() error { // the error says that it is over already
		a.change.close(text, false)
		a.closed, a.conn.closing = true, true
		return nil
	})
}

// Done completes the answer. When the answers before it are complete too, it goes to the gateway as one command with
// the acknowledgement. Done may block while more than 1 MiB of commands waits. A second Done does nothing.
func (a *Answer) Done() {
	c := a.conn
	c.lane.out.await()
	c.mu.Lock()
	defer c.mu.Unlock()
	a.done = true
	c.flush()
}

func (a *Answer) alter(n int, with func() error) error {
	c := a.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.gone || c.reset || a.closed:
		return ErrClosed
	case a.done:
		return ErrDone
	case c.held+n > MaxData:
		return ErrDropped
	}
	c.held += n
	return with()
}

// queue puts a call that has returned behind the answers that wait. The caller holds mu.
func (c *Conn) queue(a *Answer) {
	if n := len(c.answers); n > 0 && a.done && c.answers[n-1].joins(a) {
		return
	}
	c.answers = append(c.answers, a)
}

// joins adds a to an answer that is done too, and waits for an earlier one. So no more answers wait than the program
// has deferred, and one between each two of them.
func (a *Answer) joins(next *Answer) bool {
	if !a.done || a.change.full() {
		return false
	}
	a.position = next.position
	a.change.add(&next.change)
	return true
}

// flush sends the answers that are done, up to the first one that is not. The caller holds mu.
func (c *Conn) flush() {
	n := 0
	for ; n < len(c.answers) && c.answers[n].done; n++ {
		a := c.answers[n]
		c.held -= len(a.change.data)
		c.sent += uint64(len(a.change.data))
		if !c.gone && !c.reset {
			c.lane.out.put(c.number, &a.change, a.position)
		}
		a.change = change{}
	}
	rest := copy(c.answers, c.answers[n:])
	clear(c.answers[rest:])
	if c.answers = c.answers[:rest]; rest == 0 {
		c.answers = nil
	}
}
