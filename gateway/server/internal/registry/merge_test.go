package registry

import (
	"runtime"
	"testing"
)

// filled returns a registry with two full chunks that have 20 connections left each, and a third chunk.
func filled(t *testing.T) (*Registry[*entry, entrySeq], *slots[*entry, entrySeq], *slots[*entry, entrySeq]) {
	t.Helper()
	r := &Registry[*entry, entrySeq]{}
	for range 2*ChunkSlots + 1 {
		r.Reserve(0)
		r.Add(newEntry())
	}
	left, right := r.chunks[0], r.chunks[1]
	for _, k := range []*slots[*entry, entrySeq]{left, right} { // not through remove, which would merge them
		k.conns = append(make([]*entry, 0, 20), k.conns[:20]...)
	}
	return r, left, right
}

// TestRegistryMergeUnderAReader holds that a walk looks again when its chunk was merged into another, and visits no
// connection twice.
func TestRegistryMergeUnderAReader(t *testing.T) {
	r, left, right := filled(t)
	_, end := r.at(1)
	r.shrink(right)
	page, ok := left.copy(make([]*entry, 0, 100), 0, end)
	if !ok || len(page) != 20 {
		t.Errorf("%d connections up to %d, %v; expected 20: the others are of the chunk that was merged", len(page), end, ok)
	}
	if page, ok := right.copy(make([]*entry, 0, 100), 0, end); ok || len(page) != 0 {
		t.Errorf("%d connections of a chunk that is gone, %v", len(page), ok)
	}
	if page := r.Page(0, make([]*entry, 0, 100)); len(page) != 41 {
		t.Errorf("%d connections; expected 41", len(page))
	}
}

// TestRegistryMergeBeforeALock holds the same for a walk that waits for the chunk's lock during the merge.
func TestRegistryMergeBeforeALock(t *testing.T) {
	for name, read := range map[string]func(r *Registry[*entry, entrySeq], seq uint64) *entry{
		"get":  func(r *Registry[*entry, entrySeq], seq uint64) *entry { return r.Get(seq) },
		"page": func(r *Registry[*entry, entrySeq], seq uint64) *entry { return r.Page(seq-1, make([]*entry, 0, 1))[0] },
	} {
		r, left, right := filled(t)
		want := right.conns[10]
		right.mu.Lock()
		found := make(chan *entry)
		go func() { found <- read(r, want.seq) }()
		for range 1000 { // lets it come to the lock
			runtime.Gosched()
		}
		r.mu.Lock()
		left.conns = append(left.conns, right.conns...)
		r.drop(1)
		r.mu.Unlock()
		right.mu.Unlock()
		if got := <-found; got != want {
			t.Errorf("%s found %v in a chunk that was merged", name, got)
		}
	}
}
