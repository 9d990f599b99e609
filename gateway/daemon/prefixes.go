package daemon

import (
	"fmt"
	"net/netip"
	"strings"
)

// prefixes is a flag's list of networks in CIDR form. A single address is a network of one.
type prefixes []netip.Prefix

// parsePrefix parses a network: `10.0.0.0/8`, `2001:db8::/32`, or an address. Bits beyond the prefix are cleared. An
// IPv4 network in IPv6 form becomes IPv4, which is the form that connections have.
func parsePrefix(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		address, failed := netip.ParseAddr(text)
		if failed != nil || address.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("%.100q is neither a network nor an address; expected for example 10.0.0.0/8, "+
				"2001:db8::/32 or 203.0.113.7", text)
		}
		p = netip.PrefixFrom(address, address.BitLen())
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), nil
}

// String implements pflag.Value.
func (p *prefixes) String() string { return "[" + strings.Join(p.GetSlice(), ",") + "]" }

// Set implements pflag.Value: it adds a network.
func (p *prefixes) Set(text string) error { return p.Append(text) }

// Type implements pflag.Value: the help calls the value so.
func (p *prefixes) Type() string { return "network" }

// Append implements pflag.SliceValue.
func (p *prefixes) Append(text string) error {
	network, err := parsePrefix(text)
	if err == nil {
		*p = append(*p, network)
	}
	return err
}

// Replace implements pflag.SliceValue. It changes nothing when a network is malformed.
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

// GetSlice implements pflag.SliceValue.
func (p *prefixes) GetSlice() []string {
	texts := make([]string, len(*p))
	for i, network := range *p {
		texts[i] = network.String()
	}
	return texts
}
