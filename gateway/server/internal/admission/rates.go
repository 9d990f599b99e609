package admission

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// MaxRated is the most addresses and networks that have an accept rate of their own; they take about 20 MB.
	MaxRated = 100_000
	// ratedSample is how many of them, taken at random, are compared when one makes way for another.
	ratedSample = 16
)

// Rates has the accept rate of each IPv4 address and each IPv6 /64 network: a token bucket for each that came lately.
//
// There are MaxRated at most. When a new one comes then, the fullest bucket of a few taken at random makes room: a full
// one is nothing lost, as one that is absent is full too. So an attack from very many networks makes the limit looser
// for some of them, and never refuses anybody else.
//
// Lock order: its lock is taken with pending.mu held, and only a bucket's is taken with it held.
type Rates struct {
	limit rate.Limit
	burst int

	mu      sync.Mutex
	buckets map[netip.Addr]*rate.Limiter // by address, or a network's first address
}

// NewRates makes a table without addresses: limit is connections a second, burst how many may come at once.
func NewRates(limit float64, burst int) *Rates {
	return &Rates{limit: rate.Limit(limit), burst: burst, buckets: make(map[netip.Addr]*rate.Limiter)}
}

// Allow takes a token of the address's bucket; false when it has none.
func (a *Rates) Allow(addr netip.Addr, now time.Time) bool {
	if network, ok := networkOf(addr); ok {
		addr = network
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	bucket := a.buckets[addr]
	if bucket == nil {
		if len(a.buckets) >= MaxRated {
			a.makeRoom(now)
		}
		bucket = rate.NewLimiter(a.limit, a.burst)
		a.buckets[addr] = bucket
	}
	return bucket.AllowN(now, 1)
}

// makeRoom forgets the fullest of a few buckets. The caller holds mu.
func (a *Rates) makeRoom(now time.Time) {
	var fullest netip.Addr
	most, seen := -1.0, 0
	for addr, bucket := range a.buckets { // in no order
		tokens := max(0, bucket.TokensAt(now))
		if tokens > most {
			fullest, most = addr, tokens
		}
		if seen++; seen == ratedSample || most >= float64(a.burst) {
			break
		}
	}
	delete(a.buckets, fullest)
}
