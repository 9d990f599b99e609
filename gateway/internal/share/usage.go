package share

import (
	"cmp"
	"slices"
)

// Usage is the state of a pool at one moment.
type Usage struct {
	Total, Reserve int64
	Held, Peak     int64 // now, and the most so far
	Refused        uint64
	Revoked        uint64 // holds that gave way
	Parties        []PartyUsage
}

// PartyUsage is what one party holds.
type PartyUsage struct {
	Party
	Held  int64
	Holds int
}

// Usage returns the state of the pool, with the parties that hold the most: at most a number of them, the largest
// first.
func (p *Pool) Usage(parties int) Usage {
	p.mu.Lock()
	u := Usage{Total: p.total, Reserve: p.reserve, Held: p.held, Peak: p.peak, Refused: p.refused, Revoked: p.revoked}
	for _, a := range p.parties {
		u.Parties = append(u.Parties, PartyUsage{Party: a.party, Held: a.held, Holds: a.holds})
	}
	p.mu.Unlock()
	u.KeepLargest(parties)
	return u
}

// KeepLargest sorts the parties, the largest first, and keeps at most n of them.
func (u *Usage) KeepLargest(n int) {
	slices.SortFunc(u.Parties, func(a, b PartyUsage) int {
		return cmp.Or(cmp.Compare(b.Held, a.Held), cmp.Compare(a.Key, b.Key))
	})
	u.Parties = u.Parties[:min(n, len(u.Parties))]
}
