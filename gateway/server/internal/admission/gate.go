// Package admission judges where a connection comes from: lists of networks, counts and accept rates of addresses.
package admission

import (
	"net/netip"

	"golang.org/x/time/rate"

	"github.com/sockgate/sockgate/gateway/internal/ipnet"
)

// Rules are the limits of addresses; 0 and empty: none. Allow and Deny hold valid networks only.
type Rules struct {
	Allow, Deny               []netip.Prefix
	ConnectionsPerIP          int
	ConnectionsPerIPv6Network int     // of the same /64 network
	AcceptRate                float64 // connections a second, of all
	AcceptBurst               int
	AcceptRatePerIP           float64 // of each address, or each IPv6 /64 network
	AcceptBurstPerIP          int
}

// Gate is what Limits say of addresses, made ready for judging them. UpdateLimits replaces it; nobody modifies it.
type Gate struct {
	Rules       *Rules
	allow, deny ipnet.Set
	Counts      bool          // there is a limit of connections from one address or network
	Rate        *rate.Limiter // nil: no accept rate
	PerAddress  *Rates        // nil: none for each address
}

// NewGate returns the gate of limits; nil when they say nothing of addresses. The buckets of old, which may be nil,
// stay in use where their rate and burst have not changed; others begin full.
func NewGate(l *Rules, old *Gate) *Gate {
	g := &Gate{Rules: l, allow: ipnet.NewSet(l.Allow), deny: ipnet.NewSet(l.Deny),
		Counts: l.ConnectionsPerIP > 0 || l.ConnectionsPerIPv6Network > 0}
	if l.AcceptRate > 0 {
		g.Rate = rate.NewLimiter(rate.Limit(l.AcceptRate), l.AcceptBurst)
		if old != nil && old.Rules.AcceptRate == l.AcceptRate && old.Rules.AcceptBurst == l.AcceptBurst {
			g.Rate = old.Rate
		}
	}
	if l.AcceptRatePerIP > 0 {
		g.PerAddress = NewRates(l.AcceptRatePerIP, l.AcceptBurstPerIP)
		if old != nil && old.Rules.AcceptRatePerIP == l.AcceptRatePerIP && old.Rules.AcceptBurstPerIP == l.AcceptBurstPerIP {
			g.PerAddress = old.PerAddress
		}
	}
	if len(l.Allow)+len(l.Deny) == 0 && !g.Counts && g.Rate == nil && g.PerAddress == nil {
		return nil
	}
	return g
}

// Denies reports whether the lists keep an address out: deny goes before allow, and an allow list denies what is not in
// it.
func (g *Gate) Denies(addr netip.Addr) bool {
	return g.deny.Contains(addr) || len(g.Rules.Allow) > 0 && !g.allow.Contains(addr)
}
