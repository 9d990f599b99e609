package server

import (
	"sync"

	"github.com/sockgate/sockgate/gateway/server/internal/registry"
)

// closedKept is how many closed connections a node remembers.
const closedKept = 10_000

// closedRing remembers the last closed connections: in the order in which they closed, so that the oldest is forgotten, with
// an index by seq.
type closedRing struct {
	mu    sync.Mutex
	ring  []Info // grows to closedKept, then goes round
	next  int    // where the next one goes
	index registry.Index
}

func (r *closedRing) add(info Info) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ring) < closedKept {
		r.index.Insert(info.Seq, len(r.ring))
		r.ring = append(r.ring, info)
		return
	}
	r.index.Remove(r.ring[r.next].Seq)
	r.index.Insert(info.Seq, r.next)
	r.ring[r.next] = info
	r.next = (r.next + 1) % closedKept
}

func (r *closedRing) get(seq uint64) (Info, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	place, ok := r.index.Get(seq)
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
	for e := range r.index.Above(after) {
		switch {
		case e.Seq > upTo:
			return page, upTo
		case len(page) == cap(page):
			return page, page[len(page)-1].Seq
		}
		page = append(page, r.ring[e.Place])
	}
	return page, upTo
}
