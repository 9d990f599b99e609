package server

import (
	"time"

	"github.com/sockgate/sockgate/gateway/event"
)

// record publishes a Control event: who did what, and what became of it.
func (s *Server) record(d *event.ControlDetail, t *tally) {
	if d.Matched == 0 {
		d.Matched = t.total()
	}
	d.Outcomes = t.byName()
	d.IDs = d.IDs[:min(len(d.IDs), maxFailures)]
	s.log.Append(&event.Event{Type: event.Control, Detail: d})
	s.config.Logger.Info("control", "verb", d.Verb, "actor", d.Actor, "filter", d.Filter, "ids", len(d.IDs), "reason", d.Reason,
		"matched", d.Matched, "outcomes", d.Outcomes)
}

func source(m Matcher) string {
	if m == nil {
		return ""
	}
	return m.String()
}

// matches reports whether a live connection is selected; a nil Matcher selects all.
func matches(m Matcher, c *Conn, now time.Time) bool {
	if m == nil {
		return true
	}
	info := c.Info()
	return info.Live() && m.MatchAt(&info, now)
}
