package registry

import (
	"testing"
)

func BenchmarkRegistryPage(b *testing.B) {
	var r Registry[*entry, entrySeq]
	for range 100_000 {
		r.Reserve(0)
		r.Add(newEntry())
	}
	page := make([]*entry, 0, 100)
	after := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		if page = r.Page(after, page[:0]); len(page) < cap(page) {
			after = 0
			continue
		}
		after = page[len(page)-1].seq
	}
}

func BenchmarkRegistryAddRemove(b *testing.B) {
	var r Registry[*entry, entrySeq]
	c := newEntry()
	b.ReportAllocs()
	for b.Loop() {
		r.Reserve(0)
		r.Add(c)
		r.Remove(c.seq)
	}
}
