package server

import (
	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/audit"
	"github.com/sockgate/sockgate/gateway/server/internal/tally"
)

// record publishes a Control event about a verb that names an Actor. Without this condition, a program's own sends
// would push the events of its connections out of the ring.
func (s *Server) record(d *event.ControlDetail, t *tally.Tally) {
	if d.Actor == (event.Actor{}) {
		return
	}
	if d.Matched == 0 {
		d.Matched = t.Total()
	}
	d.Outcomes = t.ByName()
	audit.Publish(s.log, s.config.Logger, d)
}
