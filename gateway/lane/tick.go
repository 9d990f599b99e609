package lane

import (
	"fmt"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
)

const (
	// tick is how often the table looks at the clock.
	tick = 100 * time.Millisecond
	// frozenAfter is how long an instance that owes acknowledgements may be silent.
	frozenAfter = 10 * time.Second
	// stalledAfter is how long a full window may be without an acknowledgement before an event tells of it.
	stalledAfter = 30 * time.Second
)

// run looks at the clock until Stop: at connections that have waited too long, at frozen and draining lanes, and at the
// limits, so that a change of them takes effect within a tick.
func (t *Table) run() {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	draining := t.server.Draining()
	for {
		select {
		case <-t.stop:
			return
		case <-draining:
			draining = nil
			t.tellShutdown()
			continue
		case <-t.changed:
			t.throttle()
			continue
		case <-t.turns: // of a quarantine, or a place on a lane
			for _, h := range t.handlers {
				h.quarantine.admit()
				h.fill()
			}
			continue
		case <-ticker.C:
		}
		now := int64(time.Since(t.began))
		last := t.now.Swap(now)
		t.useLimits()
		// After the whole process has stopped (SIGSTOP, a suspended machine), nobody is judged for the time.
		stopped := now-last > int64(2*time.Second)
		for _, h := range t.handlers {
			h.tick(now, stopped)
		}
	}
}

// tellShutdown tells every lane that the gateway drains. A lane that is opened later is told at once.
func (t *Table) tellShutdown() {
	t.draining.Store(true)
	t.Tell(Shutdown, t.untilClosed())
}

// Tell tells every lane; see Lane.Tell.
func (t *Table) Tell(kind Kind, within time.Duration) {
	for _, h := range t.handlers {
		for _, l := range h.attached() {
			l.Tell(kind, within)
		}
	}
}

// untilClosed returns how long the connections of a gateway that drains have.
func (t *Table) untilClosed() time.Duration {
	return max(0, time.Until(t.server.Gateway().DrainDeadline))
}

// useLimits reads the limits in force.
func (t *Table) useLimits() {
	l := t.server.Limits()
	t.window.Store(int64(l.HandlerWindow))
	t.budget.Store(int64(l.HandlerBudget))
	t.relax(t.count(0))
}

// perTick bounds the connections that one list gives up in a tick, so that a tick stays short.
const perTick = 10_000

func (h *Handler) tick(now int64, stopped bool) {
	for _, l := range h.attached() {
		if stopped {
			l.Heard()
		}
		l.tick(now)
	}
	limits := h.table.server.Limits()
	w := &h.watches
	for _, o := range w.take(&w.held, now-int64(max(limits.HoldTimeout, 0)), perTick) {
		o.heldTooLong(limits.HoldTimeout)
	}
	for _, o := range w.take(&w.admitting, now-int64(limits.AdmitTimeout), perTick) {
		o.notAdmitted(limits.AdmitTimeout)
	}
	for _, o := range w.take(&w.full, now-int64(h.table.stalledAfter), perTick) {
		o.stalled()
	}
	h.quarantine.tick(now)
	h.fill()
}

// heldTooLong closes a connection that no lane has taken.
func (o *owner) heldTooLong(limit time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lane != nil {
		return
	}
	o.handler.table.waits(-1)
	if o.has(flagClosed) {
		o.drop()
		return
	}
	o.fail(event.ReasonHandlerUnavailable, "no instance of "+o.handler.Name()+" was attached for "+
		limit.String())
}

// notAdmitted closes a connection that got no command.
func (o *owner) notAdmitted(limit time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lane == nil || o.has(flagAdmitted|flagClosed) {
		return
	}
	o.fail(event.ReasonHandlerTimeout, "the instance "+o.lane.instance+" of "+o.handler.Name()+
		" sent no command for "+limit.String())
}

// watchStall begins to look whether a full window stays full. The caller holds mu.
func (o *owner) watchStall() {
	if o.lane != nil && o.has(flagAdmitted) {
		o.handler.watches.put(&o.handler.watches.full, o, o.handler.table.now.Load())
	}
}

// stalled tells of a connection whose window has been full for long, once for each such time. While the budget is
// scarce, the connection gives way, because all others wait for it.
func (o *owner) stalled() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lane == nil || !o.has(flagFull) || o.has(flagClosed|flagFailed) || o.backlog == nil {
		o.handler.watches.tidy(o)
		return
	}
	t := o.handler.table
	waited := t.now.Load() - o.backlog.since
	if waited < int64(t.stalledAfter) { // something was acknowledged meanwhile
		o.watchStall()
		return
	}
	if !o.has(flagStalled) {
		o.flags |= flagStalled
		t.server.Log().Append(&event.Event{Type: event.HandlerStalled, Conn: o.conn.Info(), Detail: &event.StalledDetail{
			Instance: o.lane.instance, Stalled: time.Duration(waited), Unacknowledged: o.backlog.unacknowledged(),
			Position: o.acknowledged}})
	}
	if t.scarce.Load() {
		o.fail(event.ReasonHandlerFailed, fmt.Sprintf("%s acknowledged nothing behind position %d for %s, and the handler "+
			"budget is used up", o.handler.Name(), o.acknowledged, time.Duration(waited)))
		return
	}
	o.watchStall()
}
