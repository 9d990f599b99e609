// Package tally counts the outcomes of a verb.
package tally

import "github.com/sockgate/sockgate/gateway/event"

// MaxFailures is how many targets a reply about many names.
const MaxFailures = 100

// Tally counts outcomes and keeps the first targets that did not go well.
type Tally struct {
	Counts   [event.OutcomeCount]uint64
	Failures []event.TargetOutcome
}

// Add counts an outcome that went well.
func (t *Tally) Add(o event.Outcome) { t.Counts[o]++ }

// AddFailure counts an outcome that did not go well, and keeps the target.
func (t *Tally) AddFailure(f event.TargetOutcome) {
	t.Counts[f.Outcome]++
	if len(t.Failures) < MaxFailures {
		t.Failures = append(t.Failures, f)
	}
}

// Total counts the targets.
func (t *Tally) Total() uint64 {
	var n uint64
	for _, c := range t.Counts {
		n += c
	}
	return n
}

// Missing counts the targets that could not be found.
func (t *Tally) Missing() uint64 {
	return t.Counts[event.OutcomeNotFound] + t.Counts[event.OutcomeNodeRestarted] + t.Counts[event.OutcomeMalformedID] +
		t.Counts[event.OutcomeUnknownNode]
}

// ByName returns the counts that are not zero, for records.
func (t *Tally) ByName() map[string]uint64 {
	m := make(map[string]uint64)
	for o, n := range t.Counts {
		if n > 0 {
			m[event.Outcome(o).String()] = n
		}
	}
	return m
}

// Targeted gathers the outcomes of a verb's targets. Its caller guards it.
type Targeted struct {
	Tally
	Named []event.TargetOutcome // with IDs: in their order
}

// NewTargeted returns a Targeted for so many IDs; 0 without IDs.
func NewTargeted(ids int) Targeted {
	return Targeted{Named: make([]event.TargetOutcome, ids)}
}

// Note notes an outcome: place is the target's in the IDs, or -1; ok says that it went well.
func (g *Targeted) Note(place int, o event.TargetOutcome, ok bool) {
	if place >= 0 {
		g.Named[place] = o
	}
	if ok {
		g.Add(o.Outcome)
	} else {
		g.AddFailure(o)
	}
}

// Outcomes are those that a result has: with IDs all of them, else the first that did not go well.
func (g *Targeted) Outcomes(byID bool) []event.TargetOutcome {
	if byID {
		return g.Named
	}
	return g.Failures
}
