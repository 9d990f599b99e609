package ban

import (
	"net/netip"
	"slices"
	"time"

	"github.com/sockgate/sockgate/gateway/internal/ipnet"
)

// Set is the bans at one moment, those that have expired meanwhile included. It never changes, so it is read without a
// lock. A nil Set has none.
type Set struct {
	rows       []*Ban // in the order of their targets
	networks   ipnet.Map[*Ban]
	identities map[string]*Ban
}

// NewSet makes a set of bans in the order of their targets, each of another one; nil of none.
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

// find returns the ban that covers a peer, that of the narrowest network before others and networks before identities;
// nil when there is none. It takes one look into a map for each length of prefix that occurs, however many bans there
// are.
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

// Lasting returns the bans that have not expired, in their order, in a slice of its own.
func (s *Set) Lasting(now time.Time) []*Ban {
	if s == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(s.rows), func(b *Ban) bool { return b.over(now) })
}

// PlaceOf returns where in the rows a target is, or belongs.
func PlaceOf(rows []*Ban, target Target) (place int, found bool) {
	return slices.BinarySearchFunc(rows, target, func(b *Ban, t Target) int { return b.Target.Compare(t) })
}

// Insert puts a ban at its place, if there is room for it.
func Insert(rows []*Ban, place int, b *Ban) ([]*Ban, error) {
	if len(rows) >= Max {
		return nil, ErrTooMany
	}
	return slices.Insert(rows, place, b), nil
}

// Merge adds bans to others, both in the order of their targets. Of two of the same target, the one that lasts longer
// stays.
func Merge(rows, added []*Ban) ([]*Ban, error) {
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
