// Package tally counts the outcomes of a verb.
package tally

import "github.com/sockgate/sockgate/gateway/event"

// MaxFailures is the most failed targets that a reply without IDs names.
const MaxFailures = 100

// Tally counts outcomes, and keeps the first targets that failed. The zero value is empty. The caller guards it.
type Tally struct {
	Counts   [event.OutcomeCount]uint64 // targets by outcome
	Failures []event.TargetOutcome      // the first MaxFailures targets that failed
}

// Add counts a success.
func (t *Tally) Add(o event.Outcome) { t.Counts[o]++ }

// AddFailure counts a failure, and keeps the target if there are fewer than MaxFailures.
func (t *Tally) AddFailure(f event.TargetOutcome) {
	t.Counts[f.Outcome]++
	if len(t.Failures) < MaxFailures {
		t.Failures = append(t.Failures, f)
	}
}

// Total returns the number of targets.
func (t *Tally) Total() uint64 {
	var n uint64
	for _, c := range t.Counts {
		n += c
	}
	return n
}

// Missing returns the number of targets that were not found.
func (t *Tally) Missing() uint64 {
	return t.Counts[event.OutcomeNotFound] + t.Counts[event.OutcomeNodeRestarted] + t.Counts[event.OutcomeMalformedID] +
		t.Counts[event.OutcomeUnknownNode]
}

// ByName returns the counts that are not 0 by the outcome's name, for records.
func (t *Tally) ByName() map[string]uint64 {
	m := make(map[string]uint64)
	for o, n := range t.Counts {
		if n > 0 {
			m[event.Outcome(o).String()] = n
		}
	}
	return m
}

// Targeted gathers the outcomes of a verb's targets. The caller guards it.
type Targeted struct {
	Tally
	Named []event.TargetOutcome // the outcome of each ID, in order; empty without IDs
}

// NewTargeted returns a Targeted for the given number of IDs; 0 for a verb without IDs.
func NewTargeted(ids int) Targeted {
	return Targeted{Named: make([]event.TargetOutcome, ids)}
}

// Note counts an outcome, with ok as a success. Place is the index of the target in the IDs, or -1.
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

// Outcomes returns the outcomes that a result lists: all of them with byID, else the first MaxFailures failures.
func (g *Targeted) Outcomes(byID bool) []event.TargetOutcome {
	if byID {
		return g.Named
	}
	return g.Failures
}
