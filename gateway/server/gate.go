package server

import (
	"net/netip"
	"time"

	"golang.org/x/time/rate"

	"github.com/sockgate/sockgate/gateway/event"
)

// rules are the limits of addresses; 0 and empty: none. Allow and Deny hold valid networks only.
type rules struct {
	Allow, Deny               []netip.Prefix
	ConnectionsPerIP          int
	ConnectionsPerIPv6Network int     // of the same /64 network
	AcceptRate                float64 // connections a second, of all
	AcceptBurst               int
	AcceptRatePerIP           float64 // of each address, or each IPv6 /64 network
	AcceptBurstPerIP          int
}

// gate is what Limits say of addresses, made ready for judging them. UpdateLimits replaces it; nobody modifies it.
type gate struct {
	rules       *rules
	allow, deny networks
	counts      bool          // there is a limit of connections from one address or network
	rate        *rate.Limiter // nil: no accept rate
	perAddress  *addressRates // nil: none for each address
}

// newGate returns the gate of limits; nil when they say nothing of addresses. The buckets of old, which may be nil, stay in use where
// their rate and burst have not changed; others begin full.
func newGate(l *rules, old *gate) *gate {
	g := &gate{rules: l, allow: newNetworks(l.Allow), deny: newNetworks(l.Deny), counts: l.ConnectionsPerIP > 0 || l.ConnectionsPerIPv6Network > 0}
	if l.AcceptRate > 0 {
		g.rate = rate.NewLimiter(rate.Limit(l.AcceptRate), l.AcceptBurst)
		if old != nil && old.rules.AcceptRate == l.AcceptRate && old.rules.AcceptBurst == l.AcceptBurst {
			g.rate = old.rate
		}
	}
	if l.AcceptRatePerIP > 0 {
		g.perAddress = newAddressRates(l.AcceptRatePerIP, l.AcceptBurstPerIP)
		if old != nil && old.rules.AcceptRatePerIP == l.AcceptRatePerIP && old.rules.AcceptBurstPerIP == l.AcceptBurstPerIP {
			g.perAddress = old.perAddress
		}
	}
	if len(l.Allow)+len(l.Deny) == 0 && !g.counts && g.rate == nil && g.perAddress == nil {
		return nil
	}
	return g
}

// judge says whether the peer may come in, as far as its address matters, and whether the connection was counted. Lists and bans go first;
// then the limits of the address, so that those whom these refuse use up nothing of the accept rate, which is everybody's.
//
// Peers on a unix socket have no address: networks and limits of addresses do not concern them, but the accept rate does.
func (s *Server) judge(remote netip.AddrPort) (counted bool, r refusal) {
	g := s.gate.Load()
	addr := addressOf(remote)
	if addr.IsValid() {
		if g != nil && g.denies(addr) {
			return false, refusal{reason: event.ReasonDenied}
		}
		if text, yes := s.banned(addr, ""); yes {
			return false, refusal{reason: event.ReasonBanned, text: text}
		}
		if g != nil {
			counted, r = s.judgeCounts(g, addr)
		}
	}
	if g == nil || r.refuses() || g.rate == nil || g.rate.Allow() {
		return counted, r
	}
	if counted {
		s.addresses.remove(addr)
	}
	return false, refusal{reason: event.ReasonAcceptRate, rate: g.rules.AcceptRate}
}

// judgeCounts counts the connection and takes a token of the address's, unless one of these is over its limit.
func (s *Server) judgeCounts(g *gate, addr netip.Addr) (counted bool, r refusal) {
	if s.addresses.counting.Load() {
		if counted, r = s.addresses.take(addr, g.rules); r.refuses() {
			return false, r
		}
	}
	if g.perAddress == nil || g.perAddress.allow(addr, time.Now()) {
		return counted, refusal{}
	}
	if counted {
		s.addresses.remove(addr)
	}
	return false, refusal{reason: event.ReasonIPAcceptRate, rate: g.rules.AcceptRatePerIP}
}

// denies reports whether the lists keep an address out: deny goes before allow, and an allow list denies what is not in it.
func (g *gate) denies(addr netip.Addr) bool {
	return g.deny.contains(addr) || len(g.rules.Allow) > 0 && !g.allow.contains(addr)
}
