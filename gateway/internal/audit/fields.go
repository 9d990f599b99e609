// Package audit publishes the record of a mutation: a Control event, and a line for operators.
package audit

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/event"
)

const (
	// MaxIDs is the most IDs of a request that a record keeps.
	MaxIDs = 100
	// MaxID is the greatest length of a connection's ID, in bytes: a node's name, an incarnation, a seq, and two dots.
	MaxID = 32 + 16 + 20 + 2
)

// Fields returns the key-value pairs of a mutation for the log, and leaves out empty ones. The entries of a map come in
// alphabetical order.
func Fields(d *event.ControlDetail) []any {
	fields := []any{"verb", d.Verb, "actor", hclog.Quote(d.Actor.Identity), "proof", d.Actor.Proof, "role", d.Actor.Role,
		"address", d.Actor.Address}
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
	if d.Verb != "UpdateLimits" && d.Verb != "RemoveBan" { // these two have no connections as targets
		fields = append(fields, "matched", d.Matched)
	}
	for _, outcome := range slices.Sorted(maps.Keys(d.Outcomes)) {
		fields = append(fields, outcome, d.Outcomes[outcome])
	}
	return fields
}

// IDs returns copies of the first MaxIDs IDs, each cut to MaxID bytes. The request itself may have many, and malformed
// ones may be long.
func IDs(ids []string) []string {
	var kept []string
	for _, id := range ids[:min(len(ids), MaxIDs)] {
		kept = append(kept, strings.Clone(id[:min(len(id), MaxID)]))
	}
	return kept
}
