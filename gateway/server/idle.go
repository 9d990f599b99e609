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
// idle connection costs nothing, and a timeout is late by at most a sixteenth of it (5 ms to 1 s). A change of the timeout is noticed
// within a second.
func (s *Server) sweepIdle(stop <-chan struct{}) {
	last, period := s.now(), sweepPeriod(s.limits.Load().IdleTimeout)
	timer := time.NewTimer(period)
	defer timer.Stop()
	oldest := last // no connection that can become idle was active before
	for {
		select {
		case <-stop:
			return
		case <-timer.C:
			now, timeout := s.now(), s.limits.Load().IdleTimeout
			// After a stop of the whole process (SIGSTOP, a suspended machine), what has come meanwhile is read first.
			stopped := time.Duration(now-last) > period+maxSweep
			if timeout > 0 && time.Duration(now-oldest) >= timeout && !stopped {
				oldest = s.sweepOnce(now, timeout)
			}
			last, period = now, sweepPeriod(timeout)
			timer.Reset(period)
		}
	}
}

// sweepPeriod is how long to wait before the next look.
func sweepPeriod(timeout time.Duration) time.Duration {
	if timeout == 0 {
		return maxSweep
	}
	return min(maxSweep, max(minSweep, timeout/16))
}

// sweepOnce handles the connections that are idle, and returns since when the one that can be the next has been.
func (s *Server) sweepOnce(now moment, timeout time.Duration) moment {
	oldest := now
	s.registry.walk(func(c *Conn) bool {
		active := moment(c.active.Load())
		if time.Duration(now-active) >= timeout {
			c.idled(now)
		} else {
			oldest = min(oldest, active)
		}
		return true
	})
	return oldest
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
