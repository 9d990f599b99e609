package server

import (
	"time"

	"github.com/sockgate/sockgate/gateway/event"
)

// Bounds of how often idle connections are looked for.
const (
	minSweep = 5 * time.Millisecond
	maxSweep = time.Second
)

// sweepIdle finds idle connections until stop closes. One goroutine looks at all of them instead of a timer for each: an
// idle connection costs nothing, and a timeout is late by at most a sixteenth of it (5 ms to 1 s).
func (s *Server) sweepIdle(stop <-chan struct{}) {
	period := min(maxSweep, max(minSweep, s.limits.Load().IdleTimeout/16))
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	next := s.now() // before this moment no connection can have become idle
	last := next
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
			now := s.now()
			// After a stop of the whole process (SIGSTOP, a suspended machine), what has come meanwhile is read first.
			stopped := time.Duration(now-last) > period+maxSweep
			if last = now; now >= next && !stopped {
				next = s.sweepOnce(now)
			}
		}
	}
}

// sweepOnce handles the connections that are idle and returns when the next one can be.
func (s *Server) sweepOnce(now moment) moment {
	oldest := now
	s.registry.walk(func(c *Conn) bool {
		active := moment(c.active.Load())
		if time.Duration(now-active) >= s.limits.Load().IdleTimeout {
			c.idled(now)
		} else {
			oldest = min(oldest, active)
		}
		return true
	})
	return oldest + moment(s.limits.Load().IdleTimeout)
}

// idled announces an idle period once, and closes the connection when that is the configured action.
func (c *Conn) idled(now moment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	active := moment(c.active.Load())
	idle := time.Duration(now - active)
	if c.extra != nil && c.extra.idle == active || c.ending != nil || idle < c.owner.server.limits.Load().IdleTimeout {
		return
	}
	closing := c.owner.server.config.IdleAction == IdleClose
	if !closing { // else it is ending
		c.more().idle = active
	}
	c.publish(event.IdleTimeout, &event.IdleDetail{Idle: idle, Closing: closing})
	if closing {
		c.beginEnd(ending{reason: ReasonIdleTimeout, answering: true}, c.owner.server.config.CloseTimeout)
	}
}
