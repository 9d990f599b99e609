package ipnet

import (
	"fmt"
	"net/netip"
	"slices"
)

// Map maps networks to values. A look-up takes one step for each length of prefix that occurs, not for each network.
// The zero value is empty. Goroutines may read it concurrently while no Put is under way.
type Map[V any] struct {
	values  map[netip.Prefix]V
	lengths [2][]int // of the prefixes of IPv4 and IPv6, each once, the longest first
}

// Put sets the value of a network.
func (m *Map[V]) Put(p netip.Prefix, v V) {
	if m.values == nil {
		m.values = make(map[netip.Prefix]V)
	}
	p = Network(p)
	m.values[p] = v
	lengths := &m.lengths[family(p.Addr())]
	place, found := slices.BinarySearchFunc(*lengths, p.Bits(), func(have, want int) int { return want - have })
	if !found {
		*lengths = slices.Insert(*lengths, place, p.Bits())
	}
}

// Find returns the value of the narrowest network that contains an address and whose value satisfies ok. An invalid
// address, such as a unix socket's, is in no network.
func (m *Map[V]) Find(a netip.Addr, ok func(V) bool) (v V, found bool) {
	if !a.IsValid() {
		return v, false
	}
	a = Addr(a)
	for _, bits := range m.lengths[family(a)] {
		p, _ := a.Prefix(bits) // the length fits the family
		if v, found := m.values[p]; found && ok(v) {
			return v, true
		}
	}
	return v, false
}

// Set is a set of networks. The zero value is empty. A Set never changes.
type Set struct{ networks Map[struct{}] }

// NewSet makes a set of networks, which must be valid.
func NewSet(prefixes []netip.Prefix) Set {
	var s Set
	for _, p := range prefixes {
		s.networks.Put(p, struct{}{})
	}
	return s
}

// Contains reports whether an address is in one of the networks.
func (s *Set) Contains(a netip.Addr) bool {
	_, found := s.networks.Find(a, func(struct{}) bool { return true })
	return found
}

// family returns 0 for IPv4 and 1 for IPv6.
func family(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}

// Invalid says which of the networks is not valid, or "" if all are.
func Invalid(prefixes []netip.Prefix) string {
	for i, p := range prefixes {
		if !p.IsValid() {
			return fmt.Sprintf("network %d is not valid: expected an address and a length of its prefix, for example "+
				"203.0.113.0/24", i+1)
		}
	}
	return ""
}
