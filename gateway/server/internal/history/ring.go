// Package history remembers the connections that closed last.
package history

import (
	"sync"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/registry"
)

// Kept is the most closed connections that a node remembers.
const Kept = 10_000

// Ring remembers the last Kept closed connections and finds them by seq. The zero value is empty. Its methods may be
// called from any goroutine.
//
// Lock order: docs/locks.md.
type Ring struct {
	mu    sync.Mutex
	ring  []event.Connection // grows to Kept, then goes round
	next  int                // index of the oldest, once ring has Kept
	index registry.Index
}

// Add remembers a closed connection. When there are Kept already, it forgets the one that closed first.
func (r *Ring) Add(info event.Connection) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ring) < Kept {
		r.index.Insert(info.Seq, len(r.ring))
		r.ring = append(r.ring, info)
		return
	}
	r.index.Remove(r.ring[r.next].Seq)
	r.index.Insert(info.Seq, r.next)
	r.ring[r.next] = info
	r.next = (r.next + 1) % Kept
}

// Get returns a remembered connection by its seq, and whether there is one.
func (r *Ring) Get(seq uint64) (event.Connection, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	place, ok := r.index.Get(seq)
	if !ok {
		return event.Connection{}, false
	}
	return r.ring[place], true
}

// Page appends closed connections with after < seq <= upTo to page, in the order of their seq, up to its capacity. It
// also returns the seq that it came to: up to there none is missing.
func (r *Ring) Page(after, upTo uint64, page []event.Connection) ([]event.Connection, uint64) {
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
