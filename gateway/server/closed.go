package server

import (
	"slices"
	"sync"
)

// closedKept is how many closed connections a node remembers.
const closedKept = 10_000

// closedRing remembers the last closed connections.
type closedRing struct {
	mu    sync.Mutex
	ring  []Info         // grows to closedKept, then goes round
	next  int            // where the next one goes
	index map[uint64]int // seq → place in the ring
}

func (r *closedRing) add(info Info) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.index == nil {
		r.index = make(map[uint64]int)
	}
	if len(r.ring) < closedKept {
		r.ring = append(r.ring, info)
		r.index[info.Seq] = len(r.ring) - 1
		return
	}
	delete(r.index, r.ring[r.next].Seq)
	r.ring[r.next] = info
	r.index[info.Seq] = r.next
	r.next = (r.next + 1) % closedKept
}

func (r *closedRing) get(seq uint64) (Info, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i, ok := r.index[seq]
	if !ok {
		return Info{}, false
	}
	return r.ring[i], true
}

// above returns the first closed connections with after < seq <= upTo, at most limit, in order, and up to which seq these are
// all.
func (r *closedRing) above(after, upTo uint64, limit int) ([]Info, uint64) {
	var seqs []uint64
	r.mu.Lock()
	for i := range r.ring {
		if seq := r.ring[i].Seq; after < seq && seq <= upTo {
			seqs = append(seqs, seq)
		}
	}
	r.mu.Unlock()
	slices.Sort(seqs)
	if len(seqs) > limit {
		seqs = seqs[:limit]
		upTo = seqs[limit-1]
	}
	found := make([]Info, 0, len(seqs))
	for _, seq := range seqs {
		if info, ok := r.get(seq); ok { // else it was forgotten just now
			found = append(found, info)
		}
	}
	return found, upTo
}
