package server

import "time"

// Targets are the connections that a verb acts on, made by IDs, All or Where. The zero value is none.
type Targets struct {
	ids   []string
	match Matcher
	all   bool
}

// IDs targets the connections with these IDs, in their order. The verb's result has an outcome for each of them. The
// slice must not change until the verb has returned.
func IDs(ids ...string) Targets { return Targets{ids: ids} }

// All targets every live connection.
func All() Targets { return Targets{all: true} }

// Where targets the live connections that m selects; a nil m selects none.
func Where(m Matcher) Targets { return Targets{match: m} }

// byID reports whether the targets are named one by one.
func (t *Targets) byID() bool { return !t.all && t.match == nil }

// source is what records say of targets that are not named.
func (t *Targets) source() string {
	if t.all {
		return "true"
	}
	return source(t.match)
}

// each calls found for each live connection of the targets, with its place in the IDs, or -1; and missing for each ID
// that has none.
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
