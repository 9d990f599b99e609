package tally_test

import (
	"maps"
	"testing"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/tally"
)

// TestTally holds that every outcome is counted, and that only the first failures are named.
func TestTally(t *testing.T) {
	var got tally.Tally
	got.Add(event.OutcomeWritten)
	got.Add(event.OutcomeQueued)
	missing := []event.Outcome{event.OutcomeNotFound, event.OutcomeNodeRestarted, event.OutcomeMalformedID,
		event.OutcomeUnknownNode}
	for range tally.MaxFailures {
		for _, o := range missing {
			got.AddFailure(event.TargetOutcome{Outcome: o})
		}
	}
	got.AddFailure(event.TargetOutcome{Outcome: event.OutcomeClosed})
	if got.Missing() != 4*tally.MaxFailures || got.Total() != 4*tally.MaxFailures+3 {
		t.Errorf("%d missing of %d", got.Missing(), got.Total())
	}
	if len(got.Failures) != tally.MaxFailures || got.Failures[1].Outcome != event.OutcomeNodeRestarted {
		t.Errorf("%d failures are named, the second %+v", len(got.Failures), got.Failures[1])
	}
	want := map[string]uint64{"WRITTEN": 1, "QUEUED": 1, "CLOSED": 1}
	for _, o := range missing {
		want[o.String()] = tally.MaxFailures
	}
	if names := got.ByName(); !maps.Equal(names, want) {
		t.Errorf("by name %v; expected %v", names, want)
	}
}

// TestTargeted holds that targets by ID have an outcome each, in their order, and that others have the failures.
func TestTargeted(t *testing.T) {
	byID := tally.NewTargeted(2)
	byID.Note(1, event.TargetOutcome{ID: "b", Outcome: event.OutcomeNotFound}, false)
	byID.Note(0, event.TargetOutcome{ID: "a", Outcome: event.OutcomeLabeled}, true)
	if o := byID.Outcomes(true); len(o) != 2 || o[0].ID != "a" || o[1].ID != "b" || byID.Total() != 2 {
		t.Errorf("by ID: %+v, %d in all", o, byID.Total())
	}
	selected := tally.NewTargeted(0)
	selected.Note(-1, event.TargetOutcome{ID: "a", Outcome: event.OutcomeLabeled}, true)
	selected.Note(-1, event.TargetOutcome{ID: "b", Outcome: event.OutcomeTooManyLabels}, false)
	if o := selected.Outcomes(false); len(o) != 1 || o[0].ID != "b" || selected.Total() != 2 {
		t.Errorf("selected: %+v, %d in all", o, selected.Total())
	}
}
