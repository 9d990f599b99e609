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
	period := min(maxSweep, max(minSweep, s.config.IdleTimeout/16))
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	next := time.Now() // before this moment no connection can have become idle
	for {
		select {
		case <-stop:
			return
		case now := <-ticker.C:
			if !now.Before(next) {
				next = s.sweepOnce(now)
			}
		}
	}
}

// sweepOnce handles the connections that are idle and returns when the next one can be.
func (s *Server) sweepOnce(now time.Time) time.Time {
	oldest := now
	s.registry.walk(func(c *Conn) bool {
		active := time.Unix(0, c.active.Load())
		if now.Sub(active) >= s.config.IdleTimeout {
			c.idled(now)
		} else if active.Before(oldest) {
			oldest = active
		}
		return true
	})
	return oldest.Add(s.config.IdleTimeout)
}

// idled announces an idle period once, and closes the connection when that is the configured action.
func (c *Conn) idled(now time.Time) {
	c.mu.Lock()
	active := c.active.Load()
	idle := now.Sub(time.Unix(0, active))
	if c.idle == active || c.ending != nil || idle < c.server.config.IdleTimeout {
		c.mu.Unlock()
		return
	}
	c.idle = active
	closing := c.server.config.IdleAction == IdleClose
	c.publish(event.IdleTimeout, &event.IdleDetail{Idle: idle, Closing: closing})
	c.mu.Unlock()
	if closing {
		c.end(ending{reason: ReasonIdleTimeout, answering: true}, c.server.config.CloseTimeout)
	}
}
