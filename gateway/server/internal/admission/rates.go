package admission

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// MaxRated is the most addresses and networks with an accept rate of their own. They take about 20 MB.
	MaxRated = 100_000
	// ratedSample is how many random buckets are compared when one of them makes way for another.
	ratedSample = 16
)

// Rates limits the accept rate of each IPv4 address and each IPv6 /64 network. Each one that came lately has a token
// bucket. Any goroutine may call its methods.
//
// There are at most MaxRated buckets. At this bound a new one replaces the fullest of a few random ones. Nothing is
// lost with a full bucket, because an absent one counts as full. An attack from very many networks therefore loosens
// the limit for some of them, and refuses no other peer.
//
// Lock order: docs/locks.md.
type Rates struct {
	limit rate.Limit
	burst int

	mu      sync.Mutex
	buckets map[netip.Addr]*rate.Limiter // by IPv4 address, or by the first address of an IPv6 /64 network
}

// NewRates returns Rates without buckets: limit is connections a second, and burst how many may come at once.
func NewRates(limit float64, burst int) *Rates {
	return &Rates{limit: rate.Limit(limit), burst: burst, buckets: make(map[netip.Addr]*rate.Limiter)}
}

// Allow takes a token from the bucket of addr; false when the bucket is empty.
func (a *Rates) Allow(addr netip.Addr, now time.Time) bool {
	addr = OriginOf(netip.AddrPortFrom(addr, 0))
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

// makeRoom removes the fullest of a few buckets. The caller holds mu.
func (a *Rates) makeRoom(now time.Time) {
	var fullest netip.Addr
	most, seen := -1.0, 0
	for addr, bucket := range a.buckets { // in random order
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
