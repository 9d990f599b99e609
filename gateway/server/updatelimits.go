package server

import (
	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/admission"
	"github.com/sockgate/sockgate/gateway/server/internal/tally"
)

// UpdateLimitsRequest is a change of the limits, and its words for records.
type UpdateLimitsRequest struct {
	Change  func(*Limits)     // changes a copy of the limits in force; must not block; nil: no change
	Changes map[string]string // what is changed, by the field's name, and the new value in words, for records
	Actor   event.Actor       // for records; the zero value makes none
}

// UpdateLimits changes limits, all or none, and returns the limits in force. They hold at once. Live connections stay,
// also where there are more of them than a limit allows. A limit that is 0 then and has a default gets it. A low water
// that the change leaves above the high water becomes half of the high water. A burst that was its rate's default
// follows the rate. One call is carried out at a time, with its record, so that the last record of a limit has the
// value in force. The error is a *LimitError, and then nothing has changed.
func (s *Server) UpdateLimits(r UpdateLimitsRequest) (Limits, error) {
	s.updating.Lock() // the first of all locks; nothing but another call waits for it
	defer s.updating.Unlock()
	old := s.limits.Load()
	l := Limits(old.bounds().Clone())
	if r.Change != nil {
		r.Change(&l)
	}
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
