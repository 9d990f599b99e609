package server

import (
	"sync/atomic"

	"github.com/sockgate/sockgate/gateway/event"
)

// counterShards spreads a counter that every read or write adds to over cache lines, so that processors do not wait for
// each other.
const counterShards = 8

type shardedCounter [counterShards]struct {
	n atomic.Uint64
	_ [56]byte
}

func (c *shardedCounter) add(seq uint64, n int) { c[seq%counterShards].n.Add(uint64(n)) }

func (c *shardedCounter) load() uint64 {
	var sum uint64
	for i := range c {
		sum += c[i].n.Load()
	}
	return sum
}

// counters are what a server counts from its start.
type counters struct {
	received     shardedCounter
	sent         shardedCounter
	accepted     atomic.Uint64
	acceptErrors atomic.Uint64
	unsent       atomic.Uint64
	discarded    atomic.Uint64
	dropped      atomic.Uint64
	readPauses   atomic.Uint64
	ratePauses   atomic.Uint64
	closed       [event.ReasonCount]atomic.Uint64
	refusals     [event.ReasonCount]atomic.Uint64
}
