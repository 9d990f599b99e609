package server

import (
	"slices"
	"sync"
	"sync/atomic"
)

// chunkSlots is how many connections one chunk of the registry has room for.
const chunkSlots = 256

// registry has the live connections in the order of their seq. The seq is the index: connection n is in the chunk n/256, at
// n%256. Chunks whose connections have all gone are dropped.
//
// Lock order: registry.mu, then a chunk's lock. A walk holds neither while its rows are looked at: mu only to find the next
// chunk, the chunk's lock only to copy its pointers.
type registry struct {
	mu     sync.RWMutex
	chunks []*slots // ordered by base; the last one is where new connections go
	next   uint64   // the newest seq given out

	live atomic.Int64 // connections in it, and reservations
}

type slots struct {
	base  uint64 // seq of the first slot
	mu    sync.RWMutex
	conns [chunkSlots]*Conn
	used  int // connections in it
}

// reserve makes room for one more connection; false when limit (0: none) is reached.
func (r *registry) reserve(limit int) bool {
	for {
		n := r.live.Load()
		if limit > 0 && n >= int64(limit) {
			return false
		}
		if r.live.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// release gives back a reservation that was not used.
func (r *registry) release() { r.live.Add(-1) }

// add gives c the next seq and stores it, in the room that was reserved for it.
func (r *registry) add(c *Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next++
	c.identity.Seq = r.next
	base := r.next - r.next%chunkSlots
	if n := len(r.chunks); n == 0 || r.chunks[n-1].base != base {
		r.chunks = append(r.chunks, &slots{base: base})
	}
	last := r.chunks[len(r.chunks)-1]
	last.mu.Lock()
	last.conns[r.next-base] = c
	last.used++
	last.mu.Unlock()
}

// last returns the newest seq given out.
func (r *registry) last() uint64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.next
}

// remove forgets a connection, which must be there, and returns how many are left.
func (r *registry) remove(seq uint64) int64 {
	s := r.chunk(seq)
	s.mu.Lock()
	s.conns[seq-s.base] = nil
	s.used--
	empty := s.used == 0
	s.mu.Unlock()
	if empty {
		r.drop(s)
	}
	return r.live.Add(-1)
}

// drop removes an empty chunk, unless it is the one that still fills.
func (r *registry) drop(s *slots) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.used > 0 || r.next < s.base+chunkSlots-1 {
		return
	}
	if i, found := r.search(s.base); found {
		r.chunks = slices.Delete(r.chunks, i, i+1)
	}
}

// search finds the chunk with a base, or the place of the first one behind it. The caller holds mu.
func (r *registry) search(base uint64) (int, bool) {
	return slices.BinarySearchFunc(r.chunks, base, func(s *slots, base uint64) int {
		switch {
		case s.base < base:
			return -1
		case s.base > base:
			return 1
		}
		return 0
	})
}

// chunk returns the chunk of a seq; nil when it is gone.
func (r *registry) chunk(seq uint64) *slots {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if i, found := r.search(seq - seq%chunkSlots); found {
		return r.chunks[i]
	}
	return nil
}

// get returns a live connection by its seq; nil when there is none.
func (r *registry) get(seq uint64) *Conn {
	s := r.chunk(seq)
	if s == nil {
		return nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.conns[seq-s.base]
}

// from returns the first chunk that has a seq above after.
func (r *registry) from(after uint64) *slots {
	r.mu.RLock()
	defer r.mu.RUnlock()
	first := after + 1
	i, _ := r.search(first - first%chunkSlots)
	if i == len(r.chunks) {
		return nil
	}
	return r.chunks[i]
}

// page appends live connections with a seq above after to page, in order, up to its capacity.
func (r *registry) page(after uint64, page []*Conn) []*Conn {
	for len(page) < cap(page) {
		s := r.from(after)
		if s == nil {
			return page
		}
		page, after = s.copy(after, page)
	}
	return page
}

// copy appends the chunk's connections above after and returns up to which seq it came.
func (s *slots) copy(after uint64, page []*Conn) ([]*Conn, uint64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	start := uint64(0)
	if after >= s.base {
		start = after - s.base + 1
	}
	for i := start; i < chunkSlots; i++ {
		if c := s.conns[i]; c != nil {
			page = append(page, c)
			if len(page) == cap(page) {
				return page, s.base + i
			}
		}
	}
	return page, s.base + chunkSlots - 1
}

// walk calls f for every connection that was live when the walk began and still is when the walk comes to it, in order, until
// f returns false. It holds no lock while f runs. Connections that come meanwhile are left out, so that a walk ends however
// fast they come.
func (r *registry) walk(f func(*Conn) bool) {
	buffer := make([]*Conn, 0, chunkSlots)
	var after uint64
	last := r.last()
	for after < last {
		page := r.page(after, buffer)
		for _, c := range page {
			if c.identity.Seq > last || !f(c) {
				return
			}
		}
		if len(page) < cap(page) {
			return
		}
		after = page[len(page)-1].identity.Seq
	}
}
