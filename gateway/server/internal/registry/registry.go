// Package registry has what is live in the order of its seq, and the places that are taken.
package registry

import (
	"cmp"
	"math"
	"runtime"
	"slices"
	"sync"
)

// ChunkSlots is how many connections a chunk of the registry has at most.
const ChunkSlots = 256

// WalkStretch is after how many connections a walk lets others go first: also of a broadcast, well under a
// millisecond's work.
const WalkStretch = 64

// Sequenced gives access to the seq of a C, which the registry sets once, in add.
type Sequenced[C any] interface{ Seq(c C) *uint64 }

// Registry has the live connections in the order of their seq, in chunks. A new connection goes to the last chunk; a
// full one that loses most of its connections gives its memory back, and is merged with a neighbour that has few too.
// So the registry's size follows its live connections, however many have come and gone.
//
// Lock order: registry.mu, then the chunks' locks in the order of the chunks. A walk holds neither while its rows are
// looked at: mu only to find the next chunk, the chunk's lock only to copy its pointers.
type Registry[C any, S Sequenced[C]] struct {
	mu     sync.RWMutex
	chunks []*slots[C, S] // in the order of their first seq; the last one is where new connections go
	next   uint64         // the newest seq given out

	Places // of the connections in it, and of those that are on their way into it
}

// slots is a chunk: it has the connections with seqs from first until the next chunk's first.
type slots[C any, S Sequenced[C]] struct {
	first uint64
	mu    sync.Mutex
	conns []C  // in the order of their seq
	full  bool // gets no more connections, but those of a neighbour
	gone  bool // dropped, or merged into the chunk before it: its holder must look again
}

// Add gives c the next seq and stores it, in the place that was reserved for it.
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

// Last returns the newest seq given out.
func (r *Registry[C, S]) Last() uint64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.next
}

// Remove forgets a connection, which must be there, and returns how many are left.
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

// hold returns the chunk that a seq belongs to, locked; nil when there is none.
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

// at returns the chunk that a seq belongs to, or the first one, and the last seq that belongs to it; nil when there is
// none.
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

// search finds the last chunk that begins at or before a seq; -1 when there is none. The caller holds mu.
func (r *Registry[C, S]) search(seq uint64) int {
	i, found := slices.BinarySearchFunc(r.chunks, seq,
		func(k *slots[C, S], seq uint64) int { return cmp.Compare(k.first, seq) })
	if found {
		return i
	}
	return i - 1
}

// Page appends live connections with a seq above after to page, in order, up to its capacity.
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

// Walk calls f for every connection that was live when the walk began and still is when the walk comes to it, in order,
// until f returns false. It holds no lock while f runs, and lets others run after each walkStretch. Connections that
// come meanwhile are left out, so that a walk ends however fast they come.
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

// shrink gives back the room of a full chunk that has lost most of its connections.
func (r *Registry[C, S]) shrink(k *slots[C, S]) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := r.search(k.first)
	if i < 0 || r.chunks[i] != k { // another was faster
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

// merge moves the connections of the chunk behind chunk i into it, when both are full ones that have few. The caller
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

// add appends a connection with a higher seq than all; false when the chunk is full.
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

// find returns the place of the first connection with at least this seq, and whether it is the one. The caller holds
// mu.
func (k *slots[C, S]) find(seq uint64) (int, bool) {
	if seq < k.first {
		return 0, false
	}
	// Connection i has at least the seq first+i: where none has gone, the last one that can be it is it.
	var s S
	most := int(min(seq-k.first, uint64(len(k.conns))))
	if most < len(k.conns) && *s.Seq(k.conns[most]) == seq {
		return most, true
	}
	return slices.BinarySearchFunc(k.conns[:most], seq, func(c C, seq uint64) int { return cmp.Compare(*s.Seq(c), seq) })
}

// copy appends the connections with after < seq <= end to page, as far as it has room; false when the chunk is gone.
func (k *slots[C, S]) copy(page []C, after, end uint64) ([]C, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	from, found := k.find(after)
	if found {
		from++
	}
	to := len(k.conns)
	var s S
	if to > 0 && *s.Seq(k.conns[to-1]) > end { // they have come from the next chunk in the meantime
		to, _ = k.find(end + 1)
	}
	to = min(to, from+cap(page)-len(page))
	return append(page, k.conns[from:to]...), !k.gone
}
