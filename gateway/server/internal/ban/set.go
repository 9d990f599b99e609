package ban

import (
	"net/netip"
	"slices"
	"time"

	"github.com/sockgate/sockgate/gateway/internal/ipnet"
)

// Set is the bans at one moment. Bans may expire in it. A Set never changes, so readers need no lock. A nil Set has no
// bans.
type Set struct {
	rows       []*Ban // in the order of their targets
	networks   ipnet.Map[*Ban]
	identities map[string]*Ban
}

// NewSet returns a Set of bans, which must be in the order of their targets and have different ones; nil without bans.
// It keeps rows.
func NewSet(rows []*Ban) *Set {
	if len(rows) == 0 {
		return nil
	}
	s := &Set{rows: rows, identities: make(map[string]*Ban)}
	for _, b := range rows {
		if b.Target.IsIdentity() {
			s.identities[b.Target.identity] = b
			continue
		}
		s.networks.Put(b.Target.network, b)
	}
	return s
}

// find returns the ban that covers a peer; nil without one. A narrower network goes before a wider one, and networks go
// before identities. The cost is one map lookup for each prefix length in use, however many bans there are.
func (s *Set) find(addr netip.Addr, identity string, now time.Time) *Ban {
	if s == nil {
		return nil
	}
	if b, found := s.networks.Find(addr, func(b *Ban) bool { return !b.over(now) }); found {
		return b
	}
	if b := s.identities[identity]; b != nil && !b.over(now) {
		return b
	}
	return nil
}

// Lasting returns a new slice of the bans that have not expired, in the order of their targets.
func (s *Set) Lasting(now time.Time) []*Ban {
	if s == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(s.rows), func(b *Ban) bool { return b.over(now) })
}

// PlaceOf returns the index of a target in rows, or the index where it belongs, and whether it is there.
func PlaceOf(rows []*Ban, target Target) (place int, found bool) {
	return slices.BinarySearchFunc(rows, target, func(b *Ban, t Target) int { return b.Target.Compare(t) })
}

// merge returns the bans of rows and added, both in the order of their targets. If both ban the same target, the ban
// that ends later stays. The error is ErrTooMany.
func merge(rows, added []*Ban) ([]*Ban, error) {
	all := make([]*Ban, 0, len(rows)+len(added))
	for _, b := range added {
		place, found := PlaceOf(rows, b.Target)
		all = append(all, rows[:place]...)
		rows = rows[place:]
		if found {
			if rows[0].outlasts(b) {
				b = rows[0]
			}
			rows = rows[1:]
		}
		all = append(all, b)
	}
	if all = append(all, rows...); len(all) > Max {
		return nil, ErrTooMany
	}
	return all, nil
}
