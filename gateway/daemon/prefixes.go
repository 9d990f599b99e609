package daemon

import (
	"fmt"
	"net/netip"
	"strings"
)

// prefixes is a flag's list of networks in CIDR form; an address alone is a network of one.
type prefixes []netip.Prefix

// parsePrefix reads a network: `10.0.0.0/8`, `2001:db8::/32`, or an address. Bits behind the prefix are cut off, and an IPv4 network
// written as an IPv6 one becomes what connections have: IPv4.
func parsePrefix(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		address, failed := netip.ParseAddr(text)
		if failed != nil || address.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("%.100q is neither a network nor an address; expected for example 10.0.0.0/8, 2001:db8::/32 or "+
				"203.0.113.7", text)
		}
		p = netip.PrefixFrom(address, address.BitLen())
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), nil
}

// String returns the networks as pflag writes lists.
func (p *prefixes) String() string { return "[" + strings.Join(p.GetSlice(), ",") + "]" }

// Set adds a network.
func (p *prefixes) Set(text string) error { return p.Append(text) }

// Type is what the help calls it.
func (p *prefixes) Type() string { return "network" }

// Append adds a network.
func (p *prefixes) Append(text string) error {
	network, err := parsePrefix(text)
	if err == nil {
		*p = append(*p, network)
	}
	return err
}

// Replace sets all networks, or none when one is malformed.
func (p *prefixes) Replace(texts []string) error {
	var all prefixes
	for _, text := range texts {
		if err := all.Append(text); err != nil {
			return err
		}
	}
	*p = all
	return nil
}

// GetSlice returns the networks as texts.
func (p *prefixes) GetSlice() []string {
	texts := make([]string, len(*p))
	for i, network := range *p {
		texts[i] = network.String()
	}
	return texts
}
