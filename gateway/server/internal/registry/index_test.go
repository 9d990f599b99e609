package registry

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestSeqIndexModel holds that an index is an ordered map from seq to place.
func TestSeqIndexModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var x Index
		model := make(map[uint64]int)
		seqs := rapid.Uint64Range(1, 3000)
		t.Repeat(map[string]func(*rapid.T){
			"insert": func(t *rapid.T) {
				from, step := seqs.Draw(t, "from"), rapid.Uint64Range(1, 9).Draw(t, "step")
				for seq := from; seq < from+600; seq += step {
					if _, there := model[seq]; !there {
						model[seq] = len(model)
						x.Insert(seq, model[seq])
					}
				}
			},
			"remove": func(t *rapid.T) {
				from, step := seqs.Draw(t, "from"), rapid.Uint64Range(1, 3).Draw(t, "step")
				for seq := from; seq < from+500; seq += step {
					if _, there := model[seq]; there {
						delete(model, seq)
						x.Remove(seq)
					}
				}
			},
			"": func(t *rapid.T) {
				after := seqs.Draw(t, "after") - 1
				var got, want []uint64
				for e := range x.Above(after) {
					if e.Place != model[e.Seq] {
						t.Fatalf("%d is at %d; expected %d", e.Seq, e.Place, model[e.Seq])
					}
					got = append(got, e.Seq)
				}
				for _, seq := range slices.Sorted(maps.Keys(model)) {
					if seq > after {
						want = append(want, seq)
					}
				}
				if !slices.Equal(got, want) {
					t.Fatalf("above %d: %v; expected %v", after, got, want)
				}
				place, there := x.Get(after)
				if want, ok := model[after]; ok != there || place != want {
					t.Fatalf("get(%d): %d, %v", after, place, there)
				}
				for i, run := range x.runs {
					if len(run) == 0 || len(run) >= maxRun || i > 0 && len(run)+len(x.runs[i-1]) < maxRun/4 {
						t.Fatalf("run %d has %d entries", i, len(run))
					}
				}
			},
		})
	})
}
