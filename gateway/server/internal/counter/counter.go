// Package counter has counters for the path of every byte, and for the ends of connections.
package counter

import (
	"sync/atomic"

	"github.com/sockgate/sockgate/gateway/event"
)

// shards spreads a counter over cache lines, so that processors that add to it at the same time do not wait for each
// other.
const shards = 8

// Sharded is a counter that every read and write adds to. The zero value is 0. Any goroutine may call its methods.
type Sharded [shards]struct {
	n atomic.Uint64
	_ [56]byte
}

// Add adds n, which must not be negative. Any seq will do: it selects the shard.
func (c *Sharded) Add(seq uint64, n int) { c[seq%shards].n.Add(uint64(n)) }

// Load returns the sum of the shards. Additions meanwhile may or may not be in it.
func (c *Sharded) Load() uint64 {
	var sum uint64
	for i := range c {
		sum += c[i].n.Load()
	}
	return sum
}

// ByReason has a counter for each close reason.
type ByReason [event.ReasonCount]atomic.Uint64

// Occurred returns the counts of the reasons that occurred.
func (c *ByReason) Occurred() map[event.CloseReason]uint64 {
	found := make(map[event.CloseReason]uint64)
	for reason := range c {
		if n := c[reason].Load(); n > 0 {
			found[event.CloseReason(reason)] = n
		}
	}
	return found
}

// Totals are what a server counts from its start.
type Totals struct {
	Received      Sharded
	Sent          Sharded
	Accepted      atomic.Uint64
	AcceptErrors  atomic.Uint64
	Unsent        atomic.Uint64
	Discarded     atomic.Uint64
	Dropped       atomic.Uint64
	ReadPauses    atomic.Uint64
	RatePauses    atomic.Uint64
	HandlerPauses atomic.Uint64
	Held          atomic.Int64 // connections that wait for an instance of their remote handler
	Closed        ByReason
	Refusals      ByReason
}

// Bytes counts bytes that are held now. The zero value is 0. Any goroutine may call its methods.
type Bytes struct{ n atomic.Int64 }

// Add adds n, which may be negative.
func (b *Bytes) Add(n int64) { b.n.Add(n) }

// Bytes returns how many bytes are held. It may be short of some for a moment while they change hands.
func (b *Bytes) Bytes() int64 { return b.n.Load() }
