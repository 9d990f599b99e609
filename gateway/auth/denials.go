package auth

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// denialPeriod is the least time between two log lines about denials for one reason.
const denialPeriod = time.Second

// Denials counts denied calls by reason. While Report runs it logs them: the first at once, the next ones together, at
// most once a second. Its methods may be called from any goroutine.
type Denials struct {
	logger hclog.Logger
	wake   chan struct{} // capacity 1

	mu     sync.Mutex
	totals map[string]uint64
	fresh  map[string]*denied // not logged yet, by reason
}

// denied is a log line about one reason: the number of denials, and the newest of them.
type denied struct {
	count            uint64
	method, identity string
	proof, address   string
	via              string
}

func newDenials(logger hclog.Logger) *Denials {
	return &Denials{logger: logger, wake: make(chan struct{}, 1), totals: make(map[string]uint64),
		fresh: make(map[string]*denied)}
}

// note counts a denied call. It does not wait for the log.
func (d *Denials) note(reason, method string, c *Caller) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.totals[reason]++
	f := d.fresh[reason]
	if f == nil {
		f = &denied{}
		d.fresh[reason] = f
	}
	f.count++
	f.method, f.identity, f.proof, f.address, f.via = method, c.Identity, c.Proof, c.Address, c.Via
	select {
	case d.wake <- struct{}{}:
	default: // Report is awake already
	}
}

// ByReason returns how many calls were denied since the guard was made, by reason. The caller owns the map.
func (d *Denials) ByReason() map[string]uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.totals)
}

// Report logs denials until ctx ends, and then the remaining ones.
func (d *Denials) Report(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			d.log()
			return
		case <-d.wake:
		}
		d.log()
		select {
		case <-ctx.Done():
		case <-time.After(denialPeriod):
		}
	}
}

// log writes a line for each reason with new denials.
func (d *Denials) log() {
	d.mu.Lock()
	fresh := d.fresh
	d.fresh = make(map[string]*denied)
	d.mu.Unlock()
	for _, reason := range slices.Sorted(maps.Keys(fresh)) {
		f := fresh[reason]
		fields := []any{"reason", reason, "calls", f.count, "method", hclog.Quote(f.method)}
		if f.identity != "" {
			fields = append(fields, "identity", hclog.Quote(f.identity), "proof", f.proof)
		}
		if f.via != "" {
			fields = append(fields, "via-node", f.via)
		}
		d.logger.Warn("denied", append(fields, "address", f.address)...)
	}
}
