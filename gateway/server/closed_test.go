package server

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/sockgate/sockgate/gateway/event"
)

func closedInfo(seq uint64) Info {
	return Info{Identity: &event.Identity{Seq: seq}, State: event.StateClosed}
}

// The index is a map from seq to place, in order.
func TestSeqIndexModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var x seqIndex
		model := make(map[uint64]int)
		seqs := rapid.Uint64Range(1, 3000)
		t.Repeat(map[string]func(*rapid.T){
			"insert": func(t *rapid.T) {
				from, step := seqs.Draw(t, "from"), rapid.Uint64Range(1, 9).Draw(t, "step")
				for seq := from; seq < from+600; seq += step {
					if _, there := model[seq]; !there {
						model[seq] = len(model)
						x.insert(seq, model[seq])
					}
				}
			},
			"remove": func(t *rapid.T) {
				from, step := seqs.Draw(t, "from"), rapid.Uint64Range(1, 3).Draw(t, "step")
				for seq := from; seq < from+500; seq += step {
					if _, there := model[seq]; there {
						delete(model, seq)
						x.remove(seq)
					}
				}
			},
			"": func(t *rapid.T) {
				after := seqs.Draw(t, "after") - 1
				var got, want []uint64
				for e := range x.above(after) {
					if e.place != model[e.seq] {
						t.Fatalf("%d is at %d; expected %d", e.seq, e.place, model[e.seq])
					}
					got = append(got, e.seq)
				}
				for _, seq := range slices.Sorted(maps.Keys(model)) {
					if seq > after {
						want = append(want, seq)
					}
				}
				if !slices.Equal(got, want) {
					t.Fatalf("above %d: %v; expected %v", after, got, want)
				}
				place, there := x.get(after)
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

// The ring remembers the last that closed, whatever their seqs, and shows them in the order of these.
func TestClosedRing(t *testing.T) {
	var r closedRing
	order := make([]uint64, 0, 3*closedKept)
	for i := range uint64(3 * closedKept) {
		order = append(order, i*7919%(3*closedKept)+1) // every seq once, in another order
	}
	for _, seq := range order {
		r.add(closedInfo(seq))
	}
	kept := slices.Clone(order[2*closedKept:])
	for i, seq := range order {
		if info, ok := r.get(seq); ok != (i >= 2*closedKept) || ok && info.Seq != seq {
			t.Fatalf("get(%d): %v, %v", seq, info.Identity, ok)
		}
	}
	slices.Sort(kept)
	var got []uint64
	for after, upTo := uint64(0), kept[len(kept)-2]; after < upTo; {
		page, until := r.page(after, upTo, make([]Info, 0, 100))
		for _, info := range page {
			got = append(got, info.Seq)
		}
		after = until
	}
	if !slices.Equal(got, kept[:len(kept)-1]) {
		t.Errorf("pages show %d connections; expected %d", len(got), len(kept)-1)
	}
}

// BenchmarkClosedAdd is what a connection that closes pays to be remembered.
func BenchmarkClosedAdd(b *testing.B) {
	var r closedRing
	i := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		r.add(closedInfo(i * 7919 % 1_000_003))
		i++
	}
}

// BenchmarkClosedPage is a page of the remembered.
func BenchmarkClosedPage(b *testing.B) {
	var r closedRing
	for i := range uint64(closedKept) {
		r.add(closedInfo(i * 7919 % 1_000_003))
	}
	page := make([]Info, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		r.page(500_000, 1<<40, page)
	}
}
