package server

import (
	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/audit"
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
	s.Record(d)
}

// Record publishes a Control event and logs it. The control plane calls it for mutations that other nodes of a fleet
// made for a caller of this one. A program may call it for its own mutations. The server keeps d, and shortens its IDs
// and Reason.
func (s *Server) Record(d *event.ControlDetail) {
	d.IDs = audit.IDs(d.IDs)
	d.Reason = event.ShortText(d.Reason)
	if d.RequestID == "" {
		d.RequestID = d.Actor.RequestID
	}
	s.log.Append(&event.Event{Type: event.Control, Detail: d})
	s.config.Logger.Info("control", audit.Fields(d)...)
}
