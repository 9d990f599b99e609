package member

import (
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/event"
)

// tell publishes a change of a member, and logs it. The caller holds mu, so that the events are in the order of the
// changes.
func (m *Members) tell(t event.Type, r *record, message string, silent time.Duration) {
	m.append(t, &event.NodeDetail{Node: r.Origin, Version: r.Version, Message: message, Silent: silent,
		Connections: r.Connections, Head: r.Head})
	level := hclog.Info
	if t == event.NodeSuspect || t == event.NodeUnreachable {
		level = hclog.Warn
	}
	fields := []any{"node", r.Node, "incarnation", r.Incarnation, "version", r.Version, "message", message}
	if silent > 0 {
		fields = append(fields, "silent", short(silent))
	}
	m.say(level, memberLines[t], fields...)
}

// memberLines are the log lines of the events.
var memberLines = map[event.Type]string{
	event.NodeJoined:      "node joined",
	event.NodeSuspect:     "node is suspect",
	event.NodeUnreachable: "node is unreachable",
	event.NodeRecovered:   "node recovered",
	event.NodeLeft:        "node left",
}

func (m *Members) append(t event.Type, d *event.NodeDetail) {
	m.config.Self.Log().Append(&event.Event{Type: t, Detail: d})
}
