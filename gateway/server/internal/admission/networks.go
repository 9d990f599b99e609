package admission

import (
	"fmt"
	"net/netip"
	"slices"
)

// Networks is a set of networks. An address is looked for once for each length of prefix that occurs, not for each network. The zero value
// has none; nobody modifies one that was made.
type Networks struct {
	set     map[netip.Prefix]struct{}
	lengths [2][]int // of the prefixes, each once: IPv4 and IPv6
}

// NewNetworks makes a set of networks that are valid.
func NewNetworks(prefixes []netip.Prefix) Networks {
	n := Networks{set: make(map[netip.Prefix]struct{}, len(prefixes))}
	for _, p := range prefixes {
		p = canonical(p)
		n.set[p] = struct{}{}
		if lengths := &n.lengths[family(p.Addr())]; !slices.Contains(*lengths, p.Bits()) {
			*lengths = append(*lengths, p.Bits())
		}
	}
	return n
}

// Contains reports whether an address is in one of the networks. The address has no zone, and an IPv4 one its own form.
func (n *Networks) Contains(addr netip.Addr) bool {
	for _, bits := range n.lengths[family(addr)] {
		p, _ := addr.Prefix(bits) // the length is one of the family
		if _, found := n.set[p]; found {
			return true
		}
	}
	return false
}

// family is 0 for IPv4 and 1 for IPv6.
func family(addr netip.Addr) int {
	if addr.Is4() {
		return 0
	}
	return 1
}

// canonical returns a network without the bits behind its prefix, and one of IPv4-mapped addresses (::ffff:0:0/96) as that of IPv4, which
// is how their addresses are looked for.
func canonical(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked()
}

// InvalidNetwork says which of the networks is none; empty when all are.
func InvalidNetwork(prefixes []netip.Prefix) string {
	for i, p := range prefixes {
		if !p.IsValid() {
			return fmt.Sprintf("network %d is not valid: expected an address and a length of its prefix, for example 203.0.113.0/24", i+1)
		}
	}
	return ""
}
