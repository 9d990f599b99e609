package lane

import (
	"errors"
	"fmt"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

// CommandError says that a command is out of its bounds, so that the lane must end. Text is a sentence that names the
// connection, and says what was given and expected.
type CommandError struct{ Text string }

// Error returns Text.
func (e *CommandError) Error() string { return e.Text }

// Do carries a command out, whole or not at all. A command for a connection that is not the lane's is ignored and
// counted. One that the connection cannot take closes the connection. Do does not block on a peer. The error is a
// *CommandError, and then nothing was done.
func (l *Lane) Do(c *Command) error {
	l.stats.commands.Add(1)
	o := l.owner(c.Connection)
	if o == nil {
		l.handler.ignored.Add(1)
		return nil
	}
	o.mu.Lock()
	done, err := o.do(l, c)
	moves := done && o.backlog == nil && l.drains()
	o.mu.Unlock()
	switch {
	case err != nil || !done || c.Close:
		return err
	case c.MoveTo != "" && c.MoveTo != l.instance:
		l.handler.moveTo(o, l, c.MoveTo)
	case moves:
		l.handler.moveAway(o, l)
	}
	return nil
}

// do does the work of Do, and reports whether the command was carried out. With flagOpening, the program does not know
// the connection under this number yet. The caller holds mu.
func (o *owner) do(l *Lane, c *Command) (done bool, err error) {
	if o.lane != l || o.has(flagClosed|flagFailed|flagOpening) {
		l.handler.ignored.Add(1)
		return false, nil
	}
	if err := o.check(c); err != nil {
		return false, err
	}
	applied, err := o.conn.Apply(server.Change{Data: c.Data, SetLabels: c.SetLabels, RemoveLabels: c.RemoveLabels,
		Idle:    c.idleRule(),
		Settled: c.Close || max(c.Acknowledged, o.acknowledged) == o.position()})
	if err != nil {
		return false, o.notApplied(l, c, err)
	}
	l.stats.commanded.Add(uint64(len(c.Data)))
	o.sent += uint64(len(c.Data))
	if c.Acknowledged > o.acknowledged {
		o.settle(c.Acknowledged)
	}
	if c.State != nil {
		o.setState(c.State)
	}
	if !o.has(flagAdmitted) {
		o.flags |= flagAdmitted
		o.handler.watches.leave(o)
		if o.has(flagFull) {
			o.watchStall()
		}
	}
	if applied.High {
		o.flags |= flagWritten
		o.news()
	}
	o.end(c)
	return true, nil
}

// check returns an error if the command is out of its bounds. The caller holds mu.
func (o *owner) check(c *Command) error {
	switch delivered := o.delivered(); {
	case c.Acknowledged != 0 && c.Acknowledged < o.acknowledged:
		return o.invalid("it acknowledges position %d, and %d is acknowledged already", c.Acknowledged, o.acknowledged)
	case c.Acknowledged > delivered:
		return o.invalid("it acknowledges position %d, and only %d was delivered", c.Acknowledged, delivered)
	case len(c.State) > MaxState:
		return o.invalid("its state has %d bytes; at most %d are allowed", len(c.State), MaxState)
	case len(c.Data) > MaxData:
		return o.invalid("its data have %d bytes; at most %d are allowed", len(c.Data), MaxData)
	}
	return nil
}

func (o *owner) invalid(format string, arguments ...any) error {
	return &CommandError{fmt.Sprintf("a command for connection %s: ", o.conn.ID()) + fmt.Sprintf(format, arguments...)}
}

// idleRule returns the change of the connection's idle timeout; nil for none.
func (c *Command) idleRule() *server.IdleRule {
	if c.IdleTimeout == nil && c.NotifyIdle == nil {
		return nil
	}
	return &server.IdleRule{Timeout: c.IdleTimeout, Notify: c.NotifyIdle}
}

// notApplied handles a command that the connection did not take: it ends the connection, unless it is ending already.
// Labels out of their bounds end the lane. The caller holds mu.
func (o *owner) notApplied(l *Lane, c *Command, err error) error {
	switch {
	case errors.Is(err, server.ErrClosed):
		l.handler.ignored.Add(1)
	case errors.Is(err, server.ErrBudget):
		o.conn.AbortWith(event.ReasonQueueBudget, fmt.Sprintf("a command's %d bytes did not fit in the queue budget",
			len(c.Data)))
	case errors.Is(err, server.ErrDropped):
		o.conn.AbortWith(event.ReasonSlowConsumer, fmt.Sprintf("a command's %d bytes did not fit in the send queue",
			len(c.Data)))
	case errors.Is(err, server.ErrTooManyLabels):
		o.fail(event.ReasonHandlerFailed, "a command would have set more than 16 labels")
	default:
		return o.invalid("%s", err)
	}
	return nil
}

// setState keeps the state for the next owner. The caller holds mu.
func (o *owner) setState(state []byte) {
	if len(state) > 0 {
		o.more().state = state
		return
	}
	if o.rare != nil {
		o.rare.state = nil
		o.handler.watches.tidy(o)
	}
}

// end ends the connection if the command says so. The caller holds mu.
func (o *owner) end(c *Command) {
	switch {
	case c.Reset:
		o.conn.AbortWith(event.ReasonHandler, c.Text)
	case c.Close:
		o.conn.CloseWith(event.ReasonHandler, c.Text)
	}
}
