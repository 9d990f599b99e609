package fair_test

import (
	"slices"
	"testing"

	"github.com/sockgate/sockgate/gateway/server/internal/fair"
)

// TestRota holds that the lines are served in turn, each in the order of arrival, however long one is.
func TestRota(t *testing.T) {
	var r fair.Rota[string, string]
	var turns []*fair.Turn[string, string]
	for _, v := range []string{"a1", "a2", "a3", "a4", "b1", "c1", "c2"} {
		turns = append(turns, r.Add(v[:1], v))
	}
	r.Remove(turns[1])
	var got []string
	for turn := r.Next(); turn != nil; turn = r.Next() {
		got = append(got, turn.Value)
		r.Remove(turn)
	}
	if want := []string{"a1", "b1", "c1", "a3", "c2", "a4"}; !slices.Equal(got, want) {
		t.Errorf("served %v; expected %v", got, want)
	}
	if r.Len() != 0 || r.Lines() != 0 {
		t.Errorf("%d are left in %d lines", r.Len(), r.Lines())
	}
}
