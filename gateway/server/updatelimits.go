package server

import (
	"context"
	"maps"
	"slices"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/admission"
	"github.com/sockgate/sockgate/gateway/server/internal/tally"
)

// UpdateLimitsRequest is a change of the limits, and its words for records.
type UpdateLimitsRequest struct {
	Change  func(*Limits)     // changes a copy of the limits in force; must not block or call UpdateLimits
	Changes map[string]string // the changed fields by name, with their new values in words, for records
	Actor   event.Actor       // the author in records; the zero value makes none
}

// UpdateLimits changes all of the requested limits or none, and returns the limits in force. They hold at once. Live
// connections stay, even when there are more of them than a limit allows. A limit that is 0 gets its default. A low
// water that the change leaves above the high water becomes half of it. A burst that was the default of its rate
// follows the rate. UpdateLimits blocks during another call, and ignores ctx. The error is a *LimitError, and nothing
// has changed then.
//
// Lock order: docs/locks.md. The lock is held until the change is recorded, so that the last record of a limit has the
// value in force.
func (s *Server) UpdateLimits(_ context.Context, r UpdateLimitsRequest) (Limits, error) {
	s.updating.Lock()
	defer s.updating.Unlock()
	old := s.limits.Load()
	l := old.clone()
	r.Change(&l)
	l.bounds().Follow(old.bounds())
	l.bounds().SetDefaults()
	if err := l.bounds().Validate(names(s.config.Listeners)); err != nil {
		return Limits{}, err
	}
	s.useLimits(&l)
	changes := make(map[string]string, len(r.Changes))
	for field, value := range r.Changes {
		changes[event.ShortText(field)] = event.ShortText(value)
	}
	s.record(&event.ControlDetail{Verb: "UpdateLimits", Actor: r.Actor, Changes: changes}, &tally.Tally{})
	if l.MaxConnections != old.MaxConnections {
		s.warnOfDescriptors()
	}
	return l, nil
}

// warnOfDescriptors tells operators when more connections are allowed than the descriptor limit has descriptors for.
func (s *Server) warnOfDescriptors() {
	room, limit := s.config.ConnectionDescriptors, s.limits.Load().MaxConnections
	if room > 0 && (limit == 0 || limit > room) {
		s.config.Logger.Warn("more connections are allowed than descriptors: when they run out, clients and ctl wait for "+
			"one to be free; raise the descriptor limit (ulimit -n), or lower the limit of connections; 0 is no limit",
			"max-connections", limit, "room", room)
	}
}

// useLimits brings limits into force. The calls must not overlap.
func (s *Server) useLimits(l *Limits) {
	s.limits.Store(l)
	s.tls.SetMax(l.MaxHandshakes)
	g := admission.NewGate(l.rules(), s.addresses.Gate.Load())
	if g != nil && g.Counts && !s.addresses.Counting.Load() {
		s.addresses.Begin()
		s.registry.Walk(func(c *Conn) bool { // connections that come meanwhile count themselves
			c.countAddress()
			return true
		})
	}
	s.addresses.Gate.Store(g)
}

// clone returns a copy with a map and slices of its own.
func (l *Limits) clone() Limits {
	c := *l
	c.ListenerConnections = maps.Clone(l.ListenerConnections)
	c.Allow, c.Deny = slices.Clone(l.Allow), slices.Clone(l.Deny)
	return c
}
