package server

import (
	"fmt"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/pace"
	"github.com/sockgate/sockgate/gateway/server/internal/registry"
	"github.com/sockgate/sockgate/gateway/server/internal/rounds"
	"github.com/sockgate/sockgate/gateway/server/internal/silence"
)

// sweep finds connections that have been silent for too long: idle ones, and ones that never sent a byte. One goroutine
// looks at all connections, so that a silent connection needs no timer. A timeout is therefore late by up to a
// sixteenth of it (5 ms to 1 s). Each look uses the limits in force, so a change of them takes effect within a second.
type sweep struct {
	server *Server
	active moment // no connection that can become idle was active before this moment
	// Connections up to this seq need no further look: they have sent a byte in time, or are ending because they have not.
	judged uint64
	oldest moment // the other connections were accepted at this moment or later
}

// sweepIdle looks for silent connections until stop closes.
func (s *Server) sweepIdle(stop <-chan struct{}) {
	w := &sweep{server: s}
	rounds.Run(stop, s.clock, w.period, w.once)
}

// period returns the time until the next sweep.
func (w *sweep) period() time.Duration {
	l := w.server.limits.Load()
	return rounds.Period(l.IdleTimeout, l.FirstByteTimeout)
}

// once looks for silent connections, unless none can be due.
func (w *sweep) once(now moment) {
	l := w.server.limits.Load()
	if l.IdleTimeout > 0 && now >= w.active+moment(l.IdleTimeout) {
		w.findIdle(now, l.IdleTimeout)
	}
	if l.FirstByteTimeout > 0 && now >= w.oldest+moment(l.FirstByteTimeout) {
		w.findWordless(now, l.FirstByteTimeout)
	}
}

// findIdle handles idle connections, and sets when the next one can be due.
func (w *sweep) findIdle(now moment, timeout time.Duration) {
	oldest := now
	w.server.registry.Walk(func(c *Conn) bool {
		active := moment(c.active.Load())
		if time.Duration(now-active) >= timeout {
			active = c.idled(now, timeout)
		}
		oldest = min(oldest, active)
		return true
	})
	w.active = oldest
}

// idled looks at a connection that may be idle by the limit. It returns the moment from which the connection can be
// idle again; now means that it need not be looked at before it is active again.
func (c *Conn) idled(now moment, timeout time.Duration) moment {
	c.mu.Lock()
	if r := c.rare().rule; r != nil && r.Own { // its timer looks
		c.mu.Unlock()
		return now
	}
	from, notify := c.judgeIdle(now, timeout)
	c.mu.Unlock()
	if notify {
		c.callIdle()
	}
	return from
}

// judgeIdle announces an idle period once. It closes the connection if IdleAction says so, unless the handler is to be
// notified. It returns the moment of idled. A connection that is not read from for a receive rate or the handler's pause
// is not idle. The caller holds mu.
func (c *Conn) judgeIdle(now moment, timeout time.Duration) (from moment, notify bool) {
	active := moment(c.active.Load())
	since := max(active, c.rested(now))
	if c.extra != nil && c.extra.idle == since || c.ending != nil {
		return now, false
	}
	if time.Duration(now-since) < timeout {
		return since, false
	}
	r := c.rare().rule
	notify = r != nil && r.Notify
	closing := !notify && c.owner.server.config.IdleAction == IdleClose
	if !closing { // a closing one is ending, and is not looked at again
		c.more().idle = since
	}
	c.publish(event.IdleTimeout, &event.IdleDetail{Idle: time.Duration(now - active), Closing: closing})
	if closing {
		c.beginEnd(ending{reason: ReasonIdleTimeout, answering: true}, c.owner.server.config.CloseTimeout)
	}
	return now, notify
}

// callIdle calls an Idler.
func (c *Conn) callIdle() {
	if c.owner.idler != nil {
		endpoint{c}.notify(c.owner.idler.Idle)
	}
}

// setIdle changes the rule of a connection. One with a timeout of its own has a timer, so that a short timeout makes the
// sweep look at no other connection more often. The caller holds mu.
func (c *Conn) setIdle(change *IdleRule) {
	x := c.rarely()
	if x.rule == nil {
		x.rule = &silence.Rule{}
	}
	r := x.rule
	if change.Notify != nil {
		r.Notify = *change.Notify
	}
	if change.Timeout == nil {
		return
	}
	r.Own, r.Timeout = true, *change.Timeout
	if r.Timeout == 0 {
		r.Stop()
		return
	}
	now := c.owner.server.now()
	since := max(moment(c.active.Load()), c.rested(now))
	r.Await(now, max(0, r.Timeout-time.Duration(now-since)), c.idleDue)
}

// idleDue looks at a connection whose own timeout may be over.
func (c *Conn) idleDue() {
	if c.judgeOwnIdle() {
		c.callIdle()
	}
}

// judgeOwnIdle does the work of idleDue, and reports whether the handler is to be notified.
func (c *Conn) judgeOwnIdle() (notify bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, r := c.owner.server.now(), c.rare().rule
	if r.Timeout == 0 || c.ending != nil || r.Deferred(now) {
		return false
	}
	from, notify := c.judgeIdle(now, r.Timeout)
	if c.ending == nil {
		r.Await(now, r.Timeout-time.Duration(now-from), c.idleDue)
	}
	return notify
}

// findWordless closes the connections that have not sent a byte in time. Connections are in the order of their arrival,
// so it looks at each once: when the connection is as old as the timeout.
func (w *sweep) findWordless(now moment, timeout time.Duration) {
	s := w.server
	conns := make([]*Conn, 0, registry.WalkStretch)
	for p := pace.New(); ; p.Rest() {
		conns = s.registry.Page(w.judged, conns[:0])
		for _, c := range conns {
			if w.oldest = c.connected(); time.Duration(now-w.oldest) < timeout {
				return
			}
			if c.received.Load() == 0 {
				c.end(ending{reason: ReasonFirstByteTimeout, text: fmt.Sprintf("the peer sent nothing for %s", timeout),
					answering: true}, s.config.CloseTimeout)
			}
			w.judged = c.identity.Seq
		}
		if len(conns) < cap(conns) {
			w.oldest = now // connections that come later are younger
			return
		}
	}
}

// connected returns the moment when the connection was accepted.
func (c *Conn) connected() moment { return moment(c.identity.ConnectedAt.Sub(c.owner.server.at(0))) }
