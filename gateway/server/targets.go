package server

import "time"

// Targets selects the connections that a verb acts on. IDs, All and Where make one. The zero value selects none.
type Targets struct {
	ids   []string
	match Matcher
	all   bool
}

// IDs selects the connections with these IDs. The verb's result has an outcome for each, in order. The slice must not
// change until the verb has returned.
func IDs(ids ...string) Targets { return Targets{ids: ids} }

// All selects every live connection.
func All() Targets { return Targets{all: true} }

// Where selects the live connections that m matches; a nil m selects none.
func Where(m Matcher) Targets { return Targets{match: m} }

// byID reports whether the targets are named by IDs.
func (t *Targets) byID() bool { return !t.all && t.match == nil }

// source returns the filter in records, for targets without IDs.
func (t *Targets) source() string {
	if t.all {
		return "true"
	}
	return source(t.match)
}

// each calls found for each live connection of the targets, with its index in the IDs or -1. It calls missing for each
// ID without a live connection.
func (s *Server) each(t Targets, found func(c *Conn, place int), missing func(TargetOutcome, int)) {
	if !t.byID() {
		now := time.Now()
		s.registry.Walk(func(c *Conn) bool {
			if matches(t.match, c, now) {
				found(c, -1)
			}
			return true
		})
		return
	}
	for i, id := range t.ids {
		if c, _, outcome := s.find(id); c != nil {
			found(c, i)
		} else {
			missing(TargetOutcome{ID: id, Outcome: outcome}, i)
		}
	}
}
