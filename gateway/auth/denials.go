package auth

import (
	"maps"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/internal/digest"
)

// Denials counts calls that were denied, or refused because of a bound, by reason. It logs them by a digest. Its
// methods may be called from any goroutine.
type Denials struct {
	digest *digest.Log

	mu     sync.Mutex
	totals map[string]uint64
}

func newDenials(d *digest.Log) *Denials {
	return &Denials{digest: d, totals: make(map[string]uint64)}
}

// ByReason returns how many calls were denied or refused since the guard was made, by reason. The caller owns the map.
func (d *Denials) ByReason() map[string]uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.totals)
}

// denied counts a call that its caller may not make. It does not wait for the log.
func (d *Denials) denied(reason, method string, c *Caller) { d.note("denied", reason, method, c) }

// Refused counts a call that was refused because a bound was reached. It does not wait for the log.
func (d *Denials) Refused(reason, method string, c *Caller) { d.note("refused", reason, method, c) }

func (d *Denials) note(message, reason, method string, c *Caller) {
	d.mu.Lock()
	d.totals[reason]++
	d.mu.Unlock()
	fields := []any{"reason", reason, "method", hclog.Quote(method)}
	if c.Identity != "" {
		fields = append(fields, "identity", hclog.Quote(c.Identity), "proof", c.Proof)
	}
	if c.Via != "" {
		fields = append(fields, "via-node", c.Via)
	}
	d.digest.Note(hclog.Warn, message, message+reason, append(fields, "address", c.Address)...)
}
