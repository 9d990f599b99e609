package daemon

import (
	"net/netip"
	"strings"

	"github.com/sockgate/sockgate/gateway/internal/ipnet"
)

// prefixes is a flag's list of networks in CIDR form. A single address is a network of one address.
type prefixes []netip.Prefix

// String implements pflag.Value.
func (p *prefixes) String() string { return "[" + strings.Join(p.GetSlice(), ",") + "]" }

// Set implements pflag.Value: it adds a network.
func (p *prefixes) Set(text string) error { return p.Append(text) }

// Type implements pflag.Value. It returns the word for a value in the help.
func (p *prefixes) Type() string { return "network" }

// Append implements pflag.SliceValue.
func (p *prefixes) Append(text string) error {
	network, err := ipnet.Parse(text)
	if err == nil {
		*p = append(*p, network)
	}
	return err
}

// Replace implements pflag.SliceValue. It changes nothing if a network is malformed.
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
