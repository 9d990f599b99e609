package member

import (
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/event"
)

// tell publishes what happened to a member, and logs it. The caller holds mu, so that the events are in the order of the changes.
func (m *Members) tell(t event.Type, r *record, message string, silent time.Duration) {
	m.append(t, &event.NodeDetail{Node: r.Origin, Version: r.Version, Message: message, Silent: silent, Connections: r.Connections, Head: r.Head})
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

// memberLines are what the log says.
var memberLines = map[event.Type]string{
	event.NodeJoined:      "node joined",
	event.NodeSuspect:     "node is suspect",
	event.NodeUnreachable: "node is unreachable",
	event.NodeRecovered:   "node recovered",
	event.NodeLeft:        "node left",
}

// append publishes an event of a member.
func (m *Members) append(t event.Type, d *event.NodeDetail) {
	m.config.Self.Log().Append(&event.Event{Type: t, Detail: d})
}

// line is a line of the log that waits until mu is unlocked: writing it may block.
type line struct {
	level  hclog.Level
	text   string
	fields []any
}

// say logs when mu is unlocked. The caller holds it, and unlocks it with unlock.
func (m *Members) say(level hclog.Level, text string, fields ...any) {
	m.lines = append(m.lines, line{level: level, text: text, fields: fields})
}

// complain warns, as often as s lets it. The caller holds mu, and unlocks it with unlock.
func (m *Members) complain(s *seldom, text string, fields ...any) {
	missed, ok := s.pass(time.Now())
	if !ok {
		return
	}
	if missed > 0 {
		fields = append(fields, "not-logged", missed)
	}
	m.say(hclog.Warn, text, fields...)
}

// unlock unlocks mu and logs what waits for it.
func (m *Members) unlock() {
	lines := m.lines
	m.lines = nil
	m.mu.Unlock()
	for _, l := range lines {
		m.log.Log(l.level, l.text, l.fields...)
	}
}

// seldom lets through one in a while, and counts the others.
type seldom struct {
	every  time.Duration
	next   time.Time
	missed uint64
}

// pass reports whether one may go through, and how many could not since the last.
func (s *seldom) pass(now time.Time) (missed uint64, ok bool) {
	if now.Before(s.next) {
		s.missed++
		return 0, false
	}
	missed, s.missed, s.next = s.missed, 0, now.Add(s.every)
	return missed, true
}

// short returns a duration as people read it.
func short(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
