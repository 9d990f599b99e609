package registry

import "sync/atomic"

// onePending is one pending connection in the word of Places.
const onePending = 1 << 32

// Places counts connections: live ones in the lower half of its word, and pending ones, which are being admitted, in
// the upper half. One word makes a reader see each connection in exactly one of the counts. Each count is at most
// 2^31-1. The zero value is empty. Its methods may be called from any goroutine.
type Places struct{ word atomic.Int64 }

// Reserve takes a place for a pending connection. It returns false when limit places are taken; a limit of 0 is none.
func (p *Places) Reserve(limit int) bool {
	for {
		w := p.word.Load()
		if limit > 0 && w>>32+int64(uint32(w)) >= int64(limit) {
			return false
		}
		if p.word.CompareAndSwap(w, w+onePending) {
			return true
		}
	}
}

// Release gives back the place of a pending connection that was refused.
func (p *Places) Release() { p.word.Add(-onePending) }

// Admit makes a pending connection a live one. It keeps its place.
func (p *Places) Admit() { p.word.Add(1 - onePending) }

// Leave gives back the place of a live connection, and returns how many live ones are left.
func (p *Places) Leave() int { return int(uint32(p.word.Add(-1))) }

// Live returns how many connections are live.
func (p *Places) Live() int { return int(uint32(p.word.Load())) }

// Pending returns how many connections are being admitted.
func (p *Places) Pending() int { return int(p.word.Load() >> 32) }
