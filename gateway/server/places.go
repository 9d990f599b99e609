package server

import "sync/atomic"

// onePending is one connection that is being admitted, in the word of places.
const onePending = 1 << 32

// places counts connections: those that are live in the lower half of the word, those that are being admitted in the upper. As both are
// in one word, whoever looks sees each connection in exactly one of them. At most 2^31-1 of each.
type places struct{ word atomic.Int64 }

// reserve takes a place for a connection that is being admitted; false when limit (0: none) places are taken.
func (p *places) reserve(limit int) bool {
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

// release gives back the place of a connection that was refused.
func (p *places) release() { p.word.Add(-onePending) }

// admit makes the place of a connection that was being admitted that of a live one.
func (p *places) admit() { p.word.Add(1 - onePending) }

// leave gives back the place of a connection that was live, and returns how many are.
func (p *places) leave() int { return int(uint32(p.word.Add(-1))) }

// live returns how many connections are live.
func (p *places) live() int { return int(uint32(p.word.Load())) }

// pending returns how many are being admitted.
func (p *places) pending() int { return int(p.word.Load() >> 32) }
