package server

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/event"
)

// record publishes a Control event about a verb, if the verb named an Actor: a program's own sends would otherwise push the
// events of its connections out of the ring.
func (s *Server) record(d *event.ControlDetail, t *tally) {
	if d.Actor == (Actor{}) {
		return
	}
	if d.Matched == 0 {
		d.Matched = t.total()
	}
	d.Outcomes = t.byName()
	s.Record(d)
}

// Record publishes a Control event, and logs it: of what was done on other nodes for a caller of this one.
func (s *Server) Record(d *event.ControlDetail) {
	d.IDs = recordedIDs(d.IDs)
	d.Reason = event.ShortText(d.Reason)
	if d.RequestID == "" {
		d.RequestID = d.Actor.RequestID
	}
	s.log.Append(&event.Event{Type: event.Control, Detail: d})
	s.config.Logger.Info("control", controlFields(d)...)
}

// controlFields are what the log says of a mutation: what it had, and nothing that it had not.
func controlFields(d *event.ControlDetail) []any {
	fields := []any{"verb", d.Verb, "actor", hclog.Quote(d.Actor.Identity), "proof", d.Actor.Proof, "role", d.Actor.Role, "address", d.Actor.Address}
	add := func(key, value string) {
		if value != "" {
			fields = append(fields, key, hclog.Quote(value))
		}
	}
	add("via-node", d.Actor.Via)
	add("ids", strings.Join(d.IDs, ","))
	add("filter", d.Filter)
	add("ban", d.Ban)
	add("reason", d.Reason)
	add("request-id", d.RequestID)
	for _, key := range slices.Sorted(maps.Keys(d.Set)) {
		add("set", key+"="+d.Set[key])
	}
	add("removed", strings.Join(d.Removed, ","))
	for _, key := range slices.Sorted(maps.Keys(d.Changes)) {
		add("change", key+"="+d.Changes[key])
	}
	for _, node := range slices.Sorted(maps.Keys(d.Nodes)) {
		add("node", node+"="+d.Nodes[node])
	}
	if d.Verb != "UpdateLimits" && d.Verb != "RemoveBan" { // which have no connections for targets
		fields = append(fields, "matched", d.Matched)
	}
	for _, outcome := range slices.Sorted(maps.Keys(d.Outcomes)) {
		fields = append(fields, outcome, d.Outcomes[outcome])
	}
	return fields
}

// recordedIDs returns the first IDs, in memory of their own: a request's may be many and, when they are malformed, long.
func recordedIDs(ids []string) []string {
	var kept []string
	for _, id := range ids[:min(len(ids), maxFailures)] {
		kept = append(kept, strings.Clone(id[:min(len(id), maxID)]))
	}
	return kept
}
