package server

import (
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/tally"
)

const (
	// maxGrace is the longest grace period.
	maxGrace = 24 * time.Hour
	// maxFlush is the longest flush at the end of a drain. A flush takes a fifth of the grace period at most, and is part
	// of it.
	maxFlush = 2 * time.Second
	// hurriedFlush is the flush of a drain without a grace period, which comes on top of it.
	hurriedFlush = time.Second
)

// drain is the only drain of a server. Server.mu guards it.
type drain struct {
	deadline time.Time // when every connection is closed
	flush    time.Duration
	reason   string
	by       string
	asked    []DrainRequest // requests whose farewell is not sent and whose record is not made
	left     uint64         // connections that did not end by themselves; set together with over
	over     bool           // every connection has ended: a request is recorded at once
	changed  chan struct{}  // capacity 1; gets a token when a request joins
}

// DrainRequest says how connections end in a drain.
type DrainRequest struct {
	Grace    time.Duration // how long connections may end by themselves; 0 to 24 h; less is 0, more 24 h
	Reason   string        // for records and the Closed events
	Farewell []byte        // sent to every live connection; must not change afterwards
	Actor    event.Actor   // the author in records; the zero value, which is the process itself, makes none
}

// DrainStatus describes the drain that a request started or joined.
type DrainStatus struct {
	Joined      bool      // whether a drain was under way already
	Deadline    time.Time // when every connection is closed
	Connections int       // live connections at the request
}

// StartDrain starts the drain that ends Serve, or joins the one under way. It returns at once. A joined drain takes the
// earlier of the two deadlines, sends the new farewell too, and keeps its reason.
func (s *Server) StartDrain(r DrainRequest) DrainStatus {
	grace := min(max(r.Grace, 0), maxGrace)
	flush := min(maxFlush, grace/5)
	if grace == 0 {
		grace, flush = hurriedFlush, hurriedFlush
	}
	return s.drainBy(time.Now().Add(grace), flush, r)
}

// drainBy starts or joins the drain. It closes all connections by the deadline, and begins to flush them as long before
// it as flush says.
func (s *Server) drainBy(deadline time.Time, flush time.Duration, r DrainRequest) DrainStatus {
	status, over := s.joinDrain(r, deadline, flush)
	if over {
		s.answerAsked()
	}
	return status
}

// joinDrain starts or joins the drain; over says that the drain has ended already.
func (s *Server) joinDrain(r DrainRequest, deadline time.Time, flush time.Duration) (status DrainStatus, over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	joined := s.drain != nil
	switch {
	case !joined:
		s.drain = &drain{deadline: deadline, flush: flush, reason: event.ShortText(r.Reason), by: r.Actor.Identity,
			changed: make(chan struct{}, 1)}
		close(s.drainSet)
	case deadline.Before(s.drain.deadline):
		s.drain.deadline, s.drain.flush = deadline, flush
	}
	s.drain.asked = append(s.drain.asked, r)
	select {
	case s.drain.changed <- struct{}{}:
	default:
	}
	return DrainStatus{Joined: joined, Deadline: s.drain.deadline, Connections: s.registry.Live()}, s.drain.over
}

// Draining returns a channel that is closed when a drain begins.
func (s *Server) Draining() <-chan struct{} { return s.drainSet }

func (s *Server) drainTimes() (deadline, flushAt time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.drain.deadline, s.drain.deadline.Add(-s.drain.flush)
}

// runDrain runs the drain. OnDrain comes first, so that health checks fail before the listeners close. Then it refuses
// pending connections, waits for connections to end by themselves, and closes the rest by the deadline.
func (s *Server) runDrain() {
	d := s.drain // set before drainSet was closed, and never replaced
	if s.config.OnDrain != nil {
		s.config.OnDrain()
	}
	s.closeListeners("the gateway shuts down: " + d.reason)
	s.config.Logger.Info("drain started", "reason", d.reason, "connections", s.registry.Live())
	s.publishDrain(event.DrainStarted, event.DrainDetail{})
	for _, l := range s.listeners {
		s.log.Append(&event.Event{Type: event.ListenerClosed, Detail: l.detail()})
		s.config.Logger.Info("listener closed", "listener", l.config.Name, "address", l.address())
	}
	before := uint64(s.registry.Live())
	left := s.awaitEmpty(d)
	if left > 0 {
		s.closeRest(d)
	}
	s.mu.Lock()
	d.over, d.left = true, left
	s.mu.Unlock()
	s.answerAsked()
	s.publishDrain(event.DrainEnded, event.DrainDetail{Ended: before - left, Closed: left})
	s.config.Logger.Info("drain ended", "ended", before-left, "closed", left)
}

// answerAsked sends the farewells of new requests, and records each request with its outcomes.
func (s *Server) answerAsked() {
	s.mu.Lock()
	asked := s.drain.asked
	s.drain.asked = nil
	s.mu.Unlock()
	for _, r := range asked {
		var t tally.Tally
		live := uint64(s.registry.Live())
		if len(r.Farewell) > 0 {
			s.registry.Walk(func(c *Conn) bool {
				c.mu.Lock()
				defer c.mu.Unlock()
				t.Add(c.send(r.Farewell))
				return true
			})
		}
		s.record(&event.ControlDetail{Verb: "Shutdown", Actor: r.Actor, Reason: r.Reason, Matched: live,
			DataBytes: uint64(len(r.Farewell))}, &t)
	}
}

// awaitEmpty waits until no connection is left or the flush must begin, and returns how many are left.
func (s *Server) awaitEmpty(d *drain) uint64 {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		s.answerAsked()
		if s.registry.Live() == 0 {
			return 0
		}
		_, flushAt := s.drainTimes()
		timer := time.NewTimer(time.Until(flushAt))
		select {
		case <-s.emptied:
		case <-d.changed:
		case <-ticker.C:
			s.publishDrain(event.DrainProgress, event.DrainDetail{})
		case <-timer.C:
			return uint64(s.registry.Live())
		}
		timer.Stop()
	}
}

// closeRest flushes and closes the remaining connections by the deadline. It keeps a quarter of the flush for closing
// the sockets that did not finish by themselves, because there may be many.
func (s *Server) closeRest(d *drain) {
	deadline, _ := s.drainTimes()
	s.registry.Walk(func(c *Conn) bool {
		c.end(ending{reason: ReasonShutdown, text: d.reason, by: d.by, answering: true}, time.Until(deadline)*3/4)
		return true
	})
	for s.registry.Live() > 0 {
		now, _ := s.drainTimes()
		timer := time.NewTimer(time.Until(now))
		select {
		case <-s.emptied:
		case <-d.changed:
			s.answerAsked()
		case <-timer.C:
			s.registry.Walk(func(c *Conn) bool { // also those that were ending already, with a longer flush
				c.cutShort()
				return true
			})
			<-s.emptied
		}
		timer.Stop()
	}
}

func (s *Server) publishDrain(t event.Type, d event.DrainDetail) {
	s.mu.Lock()
	d.Deadline, d.Reason = s.drain.deadline, s.drain.reason
	s.mu.Unlock()
	d.Connections = uint64(s.registry.Live())
	s.log.Append(&event.Event{Type: t, Detail: &d})
}
