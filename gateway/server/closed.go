package server

import "sync"

// closedKept is how many closed connections a node remembers.
const closedKept = 10_000

// closedRing remembers the last closed connections: in the order in which they closed, so that the oldest is forgotten, with
// an index by seq.
type closedRing struct {
	mu    sync.Mutex
	ring  []Info // grows to closedKept, then goes round
	next  int    // where the next one goes
	index seqIndex
}

func (r *closedRing) add(info Info) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ring) < closedKept {
		r.index.insert(info.Seq, len(r.ring))
		r.ring = append(r.ring, info)
		return
	}
	r.index.remove(r.ring[r.next].Seq)
	r.index.insert(info.Seq, r.next)
	r.ring[r.next] = info
	r.next = (r.next + 1) % closedKept
}

func (r *closedRing) get(seq uint64) (Info, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	place, ok := r.index.get(seq)
	if !ok {
		return Info{}, false
	}
	return r.ring[place], true
}

// page appends closed connections with after < seq <= upTo to page, in order, up to its capacity, and returns up to which
// seq these are all.
func (r *closedRing) page(after, upTo uint64, page []Info) ([]Info, uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for e := range r.index.above(after) {
		switch {
		case e.seq > upTo:
			return page, upTo
		case len(page) == cap(page):
			return page, page[len(page)-1].Seq
		}
		page = append(page, r.ring[e.place])
	}
	return page, upTo
}
