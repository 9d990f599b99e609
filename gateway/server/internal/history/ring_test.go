package history

import (
	"slices"
	"testing"

	"github.com/sockgate/sockgate/gateway/event"
)

func closedInfo(seq uint64) event.Connection {
	return event.Connection{Identity: &event.Identity{Seq: seq}, State: event.StateClosed}
}

// TestClosedRing holds that the ring remembers the connections that closed last, whatever their seqs, and lists them in
// the order of their seqs.
func TestClosedRing(t *testing.T) {
	var r Ring
	order := make([]uint64, 0, 3*Kept)
	for i := range uint64(3 * Kept) {
		order = append(order, i*7919%(3*Kept)+1) // every seq once, in another order
	}
	for _, seq := range order {
		r.Add(closedInfo(seq))
	}
	kept := slices.Clone(order[2*Kept:])
	for i, seq := range order {
		if info, ok := r.Get(seq); ok != (i >= 2*Kept) || ok && info.Seq != seq {
			t.Fatalf("get(%d): %v, %v", seq, info.Identity, ok)
		}
	}
	slices.Sort(kept)
	var got []uint64
	for after, upTo := uint64(0), kept[len(kept)-2]; after < upTo; {
		page, until := r.Page(after, upTo, make([]event.Connection, 0, 100))
		for _, info := range page {
			got = append(got, info.Seq)
		}
		after = until
	}
	if !slices.Equal(got, kept[:len(kept)-1]) {
		t.Errorf("pages show %d connections; expected %d", len(got), len(kept)-1)
	}
}

// BenchmarkClosedAdd measures the cost of remembering a connection that closes.
func BenchmarkClosedAdd(b *testing.B) {
	var r Ring
	i := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		r.Add(closedInfo(i * 7919 % 1_000_003))
		i++
	}
}

// BenchmarkClosedPage measures a page of remembered connections.
func BenchmarkClosedPage(b *testing.B) {
	var r Ring
	for i := range uint64(Kept) {
		r.Add(closedInfo(i * 7919 % 1_000_003))
	}
	page := make([]event.Connection, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		r.Page(500_000, 1<<40, page)
	}
}
