package audit

import (
	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/event"
)

// Publish appends a Control event about a mutation to the log, and writes a line about it to the operators' logger. The
// log keeps d, whose IDs and Reason are shortened. The caller holds no lock: the logger may block.
func Publish(log *event.Log, operators hclog.Logger, d *event.ControlDetail) {
	d.IDs = IDs(d.IDs)
	d.Reason = event.ShortText(d.Reason)
	if d.RequestID == "" {
		d.RequestID = d.Actor.RequestID
	}
	log.Append(&event.Event{Type: event.Control, Detail: d})
	operators.Info("control", Fields(d)...)
}
