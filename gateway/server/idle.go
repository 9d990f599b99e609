package server

import (
	"fmt"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/rounds"
	"github.com/sockgate/sockgate/gateway/server/internal/silence"
)

// newSweep returns the sweep for silent connections.
func (s *Server) newSweep() *rounds.Sweep[*Conn] {
	return &rounds.Sweep[*Conn]{
		Conns: &s.registry,
		Limits: func() (idle, firstByte time.Duration) {
			l := s.limits.Load()
			return l.IdleTimeout, l.FirstByteTimeout
		},
		Active: func(c *Conn) moment { return moment(c.active.Load()) },
		Idle:   (*Conn).idled,
		Accepted: func(c *Conn) (moment, uint64) {
			return moment(c.identity.ConnectedAt.Sub(s.at(0))), c.identity.Seq
		},
		Old: (*Conn).endWordless,
	}
}

// endWordless closes a connection that has not sent a byte for the first-byte timeout. One that the handler has paused
// stays: the peer may have sent some.
func (c *Conn) endWordless(timeout time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.received.Load() == 0 && !c.has(flagHandlerPause) {
		c.beginEnd(ending{reason: ReasonFirstByteTimeout, text: fmt.Sprintf("the peer sent nothing for %s", timeout),
			answering: true}, c.owner.server.config.CloseTimeout)
	}
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
// notified. It returns the moment of idled. A connection that is not read from for a receive rate or the handler's
// pause is not idle. The caller holds mu.
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

// setIdle changes the rule of a connection. One with a timeout of its own has a timer, so that a short timeout makes
// the sweep look at no other connection more often. The caller holds mu.
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
