package member

import (
	"time"

	"github.com/hashicorp/go-hclog"
)

// line is a line for the log that waits until mu is unlocked, because writing it may block.
type line struct {
	level  hclog.Level
	text   string
	fields []any
}

// say queues a line for the log. The caller holds mu, and unlocks it with unlock, which writes the line.
func (m *Members) say(level hclog.Level, text string, fields ...any) {
	m.lines = append(m.lines, line{level: level, text: text, fields: fields})
}

// complain queues a warning, as often as s permits. The caller holds mu, and unlocks it with unlock.
func (m *Members) complain(s *seldom, text string, fields ...any) {
	missed, ok := s.pass()
	if !ok {
		return
	}
	if missed > 0 {
		fields = append(fields, "not-logged", missed)
	}
	m.say(hclog.Warn, text, fields...)
}

// unlock unlocks mu and then writes the queued lines.
func (m *Members) unlock() {
	lines := m.lines
	m.lines = nil
	m.mu.Unlock()
	for _, l := range lines {
		m.log.Log(l.level, l.text, l.fields...)
	}
}

// short rounds a duration for people to read.
func short(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
