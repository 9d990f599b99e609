package registry

import "sync/atomic"

// onePending is one connection that is being admitted, in the word of places.
const onePending = 1 << 32

// Places counts connections: the live ones in the lower half of the word, the ones that are being admitted in the
// upper. As both are in one word, a reader sees each connection in exactly one of them. At most 2^31-1 of each.
type Places struct{ word atomic.Int64 }

// Reserve takes a place for a connection that is being admitted; false when limit (0: none) places are taken.
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

// Release gives back the place of a connection that was refused.
func (p *Places) Release() { p.word.Add(-onePending) }

// Admit makes the place of a connection that was being admitted that of a live one.
func (p *Places) Admit() { p.word.Add(1 - onePending) }

// Leave gives back the place of a connection that was live, and returns how many are.
func (p *Places) Leave() int { return int(uint32(p.word.Add(-1))) }

// Live returns how many connections are live.
func (p *Places) Live() int { return int(uint32(p.word.Load())) }

// Pending returns how many are being admitted.
func (p *Places) Pending() int { return int(p.word.Load() >> 32) }
