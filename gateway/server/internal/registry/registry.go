// Package registry keeps the live connections in the order of their seq, and counts the places that connections take.
package registry

import (
	"cmp"
	"math"
	"runtime"
	"slices"
	"sync"
)

// ChunkSlots is the most connections in a chunk of the registry.
const ChunkSlots = 256

// WalkStretch is how many connections a walk visits before it yields to other goroutines. Even a broadcast takes well
// under a millisecond for so many.
const WalkStretch = 64

// Sequenced gives the registry access to the seq of a C. Seq points at it; the registry sets it once, in Add.
type Sequenced[C any] interface{ Seq(c C) *uint64 }

// Registry keeps the live connections in the order of their seq, in chunks. A new connection goes to the last chunk. A
// full chunk that loses most of its connections gives its memory back, and is merged with a neighbour that also has
// few. So the size of the registry follows its live connections, however many have come and gone. The zero value is
// empty. Any goroutine may call its methods.
//
// Lock order: docs/locks.md. No walk holds a lock while it looks at connections.
type Registry[C any, S Sequenced[C]] struct {
	mu     sync.RWMutex
	chunks []*slots[C, S] // in the order of their first seq; the last one takes new connections
	next   uint64         // the newest seq given out

	Places // of the connections in the registry, and of those that are still being admitted
}

// slots is a chunk. It has the connections with seqs from first up to the next chunk's first.
type slots[C any, S Sequenced[C]] struct {
	first uint64
	mu    sync.Mutex
	conns []C  // in the order of their seq
	full  bool // takes no new connections; a neighbour may still be merged into it
	gone  bool // dropped, or merged into the chunk before it: a goroutine that kept it must look again
}

// Add gives c the next seq and stores it in a place that Reserve took.
func (r *Registry[C, S]) Add(c C) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Admit()
	r.next++
	var s S
	*s.Seq(c) = r.next
	if n := len(r.chunks); n > 0 && r.chunks[n-1].add(c) {
		return
	}
	r.chunks = append(r.chunks, &slots[C, S]{first: r.next, conns: append(make([]C, 0, ChunkSlots), c)})
}

// Last returns the newest seq given out; 0 before the first.
func (r *Registry[C, S]) Last() uint64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.next
}

// Remove removes a connection, which must be there, and returns how many are left.
func (r *Registry[C, S]) Remove(seq uint64) int {
	k := r.hold(seq)
	i, _ := k.find(seq)
	k.conns = slices.Delete(k.conns, i, i+1)
	sparse := k.full && 4*len(k.conns) <= cap(k.conns)
	k.mu.Unlock()
	if sparse {
		r.shrink(k)
	}
	return r.Leave()
}

// Get returns a live connection by its seq; the zero C when there is none.
func (r *Registry[C, S]) Get(seq uint64) (c C) {
	k := r.hold(seq)
	if k == nil {
		return c
	}
	defer k.mu.Unlock()
	if i, found := k.find(seq); found {
		return k.conns[i]
	}
	return c
}

// hold returns the chunk of a seq with its lock held; nil when there is none.
func (r *Registry[C, S]) hold(seq uint64) *slots[C, S] {
	for {
		k, _ := r.at(seq)
		if k == nil || k.first > seq {
			return nil
		}
		k.mu.Lock()
		if !k.gone {
			return k
		}
		k.mu.Unlock()
	}
}

// at returns the chunk of a seq and the last seq that belongs to it. For a seq before all chunks it returns the first
// chunk, and for an empty registry nil.
func (r *Registry[C, S]) at(seq uint64) (*slots[C, S], uint64) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	i := max(0, r.search(seq))
	switch {
	case len(r.chunks) == 0:
		return nil, 0
	case i+1 < len(r.chunks):
		return r.chunks[i], r.chunks[i+1].first - 1
	}
	return r.chunks[i], math.MaxUint64
}

// search returns the index of the last chunk that begins at or before a seq; -1 when there is none. The caller holds
// mu.
func (r *Registry[C, S]) search(seq uint64) int {
	i, found := slices.BinarySearchFunc(r.chunks, seq,
		func(k *slots[C, S], seq uint64) int { return cmp.Compare(k.first, seq) })
	if found {
		return i
	}
	return i - 1
}

// Page appends live connections with a seq above after to page, in the order of their seq, up to its capacity.
func (r *Registry[C, S]) Page(after uint64, page []C) []C {
	for len(page) < cap(page) && after < math.MaxUint64 {
		k, end := r.at(after + 1)
		if k == nil {
			break
		}
		var ok bool
		if page, ok = k.copy(page, after, end); ok {
			after = end
		}
	}
	return page
}

// Walk calls f for live connections in the order of their seq, until f returns false. It visits every connection that
// was live when the walk began and still is when the walk comes to it. Newer connections are left out, so that a walk
// ends however fast they come. No lock is held while f runs, and the walk yields after each WalkStretch.
func (r *Registry[C, S]) Walk(f func(C) bool) {
	buffer := make([]C, 0, WalkStretch)
	var after uint64
	last := r.Last()
	var s S
	for after < last {
		page := r.Page(after, buffer)
		for _, c := range page {
			if *s.Seq(c) > last || !f(c) {
				return
			}
		}
		if len(page) < cap(page) {
			return
		}
		after = *s.Seq(page[len(page)-1])
		runtime.Gosched()
	}
}

// shrink frees the unused memory of a full chunk that has lost most of its connections.
func (r *Registry[C, S]) shrink(k *slots[C, S]) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := r.search(k.first)
	if i < 0 || r.chunks[i] != k { // another goroutine came first
		return
	}
	if r.merge(i-1) || r.merge(i) {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.conns) == 0 {
		r.drop(i)
		return
	}
	k.conns = append(make([]C, 0, len(k.conns)), k.conns...)
}

// merge moves the connections of chunk i+1 into chunk i, when both are full ones with few connections left. The caller
// holds mu.
func (r *Registry[C, S]) merge(i int) bool {
	if i < 0 || i+1 >= len(r.chunks) {
		return false
	}
	left, right := r.chunks[i], r.chunks[i+1]
	left.mu.Lock()
	defer left.mu.Unlock()
	right.mu.Lock()
	defer right.mu.Unlock()
	n := len(left.conns) + len(right.conns)
	if !right.full || n > ChunkSlots/2 {
		return false
	}
	left.conns = append(append(make([]C, 0, n), left.conns...), right.conns...)
	r.drop(i + 1)
	return true
}

// drop removes chunk i. The caller holds mu and the chunk's lock.
func (r *Registry[C, S]) drop(i int) {
	r.chunks[i].conns, r.chunks[i].gone = nil, true
	r.chunks = slices.Delete(r.chunks, i, i+1)
}

// add appends a connection whose seq is higher than all; false when the chunk is full.
func (k *slots[C, S]) add(c C) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.conns) == ChunkSlots {
		k.full = true
		return false
	}
	k.conns = append(k.conns, c)
	return true
}

// find returns the index of the first connection with at least this seq, and whether it has exactly this seq. The
// caller holds mu.
func (k *slots[C, S]) find(seq uint64) (int, bool) {
	if seq < k.first {
		return 0, false
	}
	// The seq of connection i is at least first+i. So index seq-first is the last that can have the seq, and has it while
	// none before it has gone.
	var s S
	most := int(min(seq-k.first, uint64(len(k.conns))))
	if most < len(k.conns) && *s.Seq(k.conns[most]) == seq {
		return most, true
	}
	return slices.BinarySearchFunc(k.conns[:most], seq, func(c C, seq uint64) int { return cmp.Compare(*s.Seq(c), seq) })
}

// copy appends the connections with after < seq <= end to page, up to its capacity; false when the chunk is gone.
func (k *slots[C, S]) copy(page []C, after, end uint64) ([]C, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	from, found := k.find(after)
	if found {
		from++
	}
	to := len(k.conns)
	var s S
	if to > 0 && *s.Seq(k.conns[to-1]) > end { // a merge has added the next chunk's connections meanwhile
		to, _ = k.find(end + 1)
	}
	to = min(to, from+cap(page)-len(page))
	return append(page, k.conns[from:to]...), !k.gone
}
