// Package admission judges where a connection comes from: lists of networks, counts and accept rates of addresses.
package admission

import (
	"net/netip"

	"golang.org/x/time/rate"

	"github.com/sockgate/sockgate/gateway/internal/ipnet"
)

// Rules are the limits on addresses. A 0 or an empty list sets no limit. Allow and Deny hold valid networks only.
type Rules struct {
	Allow, Deny               []netip.Prefix // networks that may connect, and networks that may not
	ConnectionsPerIP          int            // most connections from one address
	ConnectionsPerIPv6Network int            // most connections from one IPv6 /64 network
	AcceptRate                float64        // connections a second, from all addresses together
	AcceptBurst               int            // most connections at once when none came for a while
	AcceptRatePerIP           float64        // connections a second, from each IPv4 address or IPv6 /64 network
	AcceptBurstPerIP          int            // AcceptBurst for each of these
}

// Gate is Rules prepared for judging addresses. It never changes: UpdateLimits replaces it. Any goroutine may use it.
type Gate struct {
	Rules       *Rules // must not be modified
	allow, deny ipnet.Set
	Counts      bool          // whether the number of connections from an address or network is limited
	Rate        *rate.Limiter // the accept rate of all; nil without one
	PerAddress  *Rates        // the accept rate of each address; nil without one
}

// NewGate returns the gate for l; nil when l limits nothing. Token buckets of old, which may be nil, stay in use where
// their rate and burst have not changed. The others begin full.
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

// Denies reports whether the lists keep an address out. Deny goes before Allow, and an Allow that is not empty keeps
// out every address that it lacks.
func (g *Gate) Denies(addr netip.Addr) bool {
	return g.deny.Contains(addr) || len(g.Rules.Allow) > 0 && !g.allow.Contains(addr)
}
