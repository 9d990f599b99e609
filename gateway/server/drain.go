package server

import (
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/drain"
	"github.com/sockgate/sockgate/gateway/server/internal/tally"
)

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
	all, flush := drain.Times(r.Grace)
	return s.drainBy(time.Now().Add(all), flush, r)
}

// drainBy starts or joins the drain. It closes all connections by the deadline, and begins to flush them as long before
// it as flush says.
func (s *Server) drainBy(deadline time.Time, flush time.Duration, r DrainRequest) DrainStatus {
	d, joined := s.drain.Join(r, deadline, flush, event.ShortText(r.Reason), r.Actor.Identity)
	status := DrainStatus{Joined: joined, Deadline: d.Deadline, Connections: s.registry.Live()}
	if d.Over {
		s.answerAsked()
	}
	return status
}

// Draining returns a channel that is closed when a drain begins.
func (s *Server) Draining() <-chan struct{} { return s.drain.Begun }

// runDrain runs the drain. OnDrain comes first, so that health checks fail before the listeners close. Then it refuses
// pending connections, waits for connections to end by themselves, and closes the rest by the deadline.
func (s *Server) runDrain() {
	d := s.drain.Status()
	if s.config.OnDrain != nil {
		s.config.OnDrain()
	}
	s.closeListeners("the gateway shuts down: " + d.Reason)
	s.config.Logger.Info("drain started", "reason", d.Reason, "connections", s.registry.Live())
	s.publishDrain(event.DrainStarted, event.DrainDetail{})
	for _, l := range s.listeners {
		s.log.Append(&event.Event{Type: event.ListenerClosed, Detail: l.Detail()})
		s.config.Logger.Info("listener closed", "listener", l.config.Name, "address", l.Address())
	}
	before := uint64(s.registry.Live())
	left := s.drain.Await(s.registry.Live, s.answerAsked,
		func() { s.publishDrain(event.DrainProgress, event.DrainDetail{}) })
	if left > 0 {
		s.closeRest(d.Reason, d.By)
	}
	s.drain.End(left)
	s.answerAsked()
	s.publishDrain(event.DrainEnded, event.DrainDetail{Ended: before - left, Closed: left})
	s.config.Logger.Info("drain ended", "ended", before-left, "closed", left)
}

// answerAsked sends the farewells of new requests, and records each request with its outcomes.
func (s *Server) answerAsked() {
	for _, r := range s.drain.Asked() {
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

// closeRest flushes and closes the remaining connections by the deadline, also those that were ending already, with a
// longer flush.
func (s *Server) closeRest(reason, by string) {
	s.drain.Close(s.registry.Live, s.answerAsked, func(deadline time.Time) {
		s.registry.Walk(func(c *Conn) bool {
			c.end(ending{reason: ReasonShutdown, text: reason, by: by, answering: true},
				time.Until(deadline)*3/4)
			return true
		})
	}, func() {
		s.registry.Walk(func(c *Conn) bool {
			c.cutShort()
			return true
		})
	})
}

func (s *Server) publishDrain(t event.Type, detail event.DrainDetail) {
	d := s.drain.Status()
	detail.Deadline, detail.Reason, detail.Connections = d.Deadline, d.Reason, uint64(s.registry.Live())
	s.log.Append(&event.Event{Type: t, Detail: &detail})
}
