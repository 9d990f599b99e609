package ban

import (
	"maps"
	"net/netip"
	"slices"
	"time"
)

// banSet is the bans at one moment, those that have expired meanwhile included. It never changes, so it is read without a lock. A nil
// banSet has none.
type Set struct {
	rows       []*Ban // in the order of their targets
	networks   map[netip.Prefix]*Ban
	identities map[string]*Ban
	bits4      []int // lengths of the IPv4 prefixes that there are, the longest first
	bits6      []int // of the IPv6 prefixes
}

// newBanSet makes a set of bans in the order of their targets, each of another one; nil of none.
func NewSet(rows []*Ban) *Set {
	if len(rows) == 0 {
		return nil
	}
	s := &Set{rows: rows, networks: make(map[netip.Prefix]*Ban), identities: make(map[string]*Ban)}
	bits4, bits6 := make(map[int]bool), make(map[int]bool)
	for _, b := range rows {
		switch network := b.Target.network; {
		case b.Target.IsIdentity():
			s.identities[b.Target.identity] = b
		case network.Addr().Is4():
			s.networks[network], bits4[network.Bits()] = b, true
		default:
			s.networks[network], bits6[network.Bits()] = b, true
		}
	}
	s.bits4, s.bits6 = longestFirst(bits4), longestFirst(bits6)
	return s
}

// longestFirst returns the lengths in descending order.
func longestFirst(lengths map[int]bool) []int {
	sorted := slices.Sorted(maps.Keys(lengths))
	slices.Reverse(sorted)
	return sorted
}

// find returns the ban that covers a peer, that of the narrowest network before others and networks before identities; nil when there
// is none. It takes one look into a map for each length of prefix that occurs, however many bans there are.
func (s *Set) find(addr netip.Addr, identity string, now time.Time) *Ban {
	if s == nil {
		return nil
	}
	addr = addr.Unmap().WithZone("")
	lengths := s.bits4
	if addr.Is6() {
		lengths = s.bits6
	}
	for _, bits := range lengths { // no network covers the address of a unix socket, which is none
		if b := s.networks[netip.PrefixFrom(addr, bits).Masked()]; b != nil && !b.over(now) {
			return b
		}
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

// insertBan puts a ban at its place, if there is room for it.
func Insert(rows []*Ban, place int, b *Ban) ([]*Ban, error) {
	if len(rows) >= Max {
		return nil, ErrTooMany
	}
	return slices.Insert(rows, place, b), nil
}

// withBans adds bans to others, both in the order of their targets. Of two of the same target, the one that lasts longer stays.
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
