package server

import (
	"maps"
	"net/netip"
	"slices"
	"time"
)

// banSet is the bans at one moment, those that have expired meanwhile included. It never changes, so it is read without a lock. A nil
// banSet has none.
type banSet struct {
	rows       []*ban // in the order of their targets
	networks   map[netip.Prefix]*ban
	identities map[string]*ban
	bits4      []int // lengths of the IPv4 prefixes that there are, the longest first
	bits6      []int // of the IPv6 prefixes
}

// newBanSet makes a set of bans in the order of their targets, each of another one; nil of none.
func newBanSet(rows []*ban) *banSet {
	if len(rows) == 0 {
		return nil
	}
	s := &banSet{rows: rows, networks: make(map[netip.Prefix]*ban), identities: make(map[string]*ban)}
	bits4, bits6 := make(map[int]bool), make(map[int]bool)
	for _, b := range rows {
		switch network := b.target.network; {
		case b.target.isIdentity():
			s.identities[b.target.identity] = b
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
func (s *banSet) find(addr netip.Addr, identity string, now time.Time) *ban {
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

// lasting returns the bans that have not expired, in their order, in a slice of its own.
func (s *banSet) lasting(now time.Time) []*ban {
	if s == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(s.rows), func(b *ban) bool { return b.over(now) })
}

// placeOf returns where in the rows a target is, or belongs.
func placeOf(rows []*ban, target banTarget) (place int, found bool) {
	return slices.BinarySearchFunc(rows, target, func(b *ban, t banTarget) int { return b.target.compare(t) })
}
