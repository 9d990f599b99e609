// Package counter has counters for the path of every byte.
package counter

import "sync/atomic"

// shards spreads a counter over cache lines, so that processors that add to it do not wait for each other.
const shards = 8

// Sharded is a counter that every read or write adds to. The zero value is 0.
type Sharded [shards]struct {
	n atomic.Uint64
	_ [56]byte
}

// Add adds n; seq, which is any number, chooses the shard.
func (c *Sharded) Add(seq uint64, n int) { c[seq%shards].n.Add(uint64(n)) }

// Load returns the sum.
func (c *Sharded) Load() uint64 {
	var sum uint64
	for i := range c {
		sum += c[i].n.Load()
	}
	return sum
}
