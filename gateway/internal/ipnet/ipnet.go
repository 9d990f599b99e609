// Package ipnet parses addresses and networks, keeps sets of networks, and says whether an address is loopback. All of
// it uses one form: an IPv4 address or network is never in its IPv6 form, an address has no zone, and a network has no
// bits after its prefix.
package ipnet

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// SiteBits is the length of the prefix of a customer's IPv6 network. The customer can use any address in it (RFC 6177).
const SiteBits = 64

// Addr returns an address in the one form. It drops the zone, which names an interface of this machine.
func Addr(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// Network returns a network in the one form. Networks of IPv4-mapped addresses, ::ffff:0:0/96 and longer, become IPv4.
func Network(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked()
}

// Single returns the network of one address.
func Single(a netip.Addr) netip.Prefix {
	a = Addr(a)
	return netip.PrefixFrom(a, a.BitLen())
}

// Site returns the IPv6 /64 network of an address. It returns false for IPv4, which has none.
func Site(a netip.Addr) (netip.Prefix, bool) {
	if a = Addr(a); !a.Is6() {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a, SiteBits).Masked(), true
}

// Parse reads a network in CIDR form, `10.0.0.0/8` or `2001:db8::/32`, or an address, which is a network of one
// address. It clears bits after the prefix, and refuses an address with a zone.
func Parse(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		return Single(a), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%.100q is neither a network nor an address; expected for example 10.0.0.0/8, "+
			"2001:db8::/32 or 203.0.113.7", text)
	}
	return Network(p), nil
}

// ParseDroppingZone does the same as Parse, but ignores the zone of an address.
func ParseDroppingZone(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil && !strings.Contains(text, "/") { // a zone may contain a slash
		return Single(a), nil
	}
	return Parse(text)
}

// ParseExact reads a network in CIDR form and returns it as it was written. exact is false if it has bits after its
// prefix, because the writer may have meant another network.
func ParseExact(text string) (p netip.Prefix, exact bool, err error) {
	p, err = netip.ParsePrefix(text)
	return p, err == nil && p == p.Masked(), err
}

// IsLoopback reports whether an address of a listener or of a peer is a loopback IP address. The address of a unix
// socket is not one, because the user at its other end must be known.
func IsLoopback(a net.Addr) bool {
	if a == nil {
		return false
	}
	p, err := netip.ParseAddrPort(a.String())
	return err == nil && Addr(p.Addr()).IsLoopback()
}
