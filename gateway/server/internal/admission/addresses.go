package admission

import (
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
)

// Addresses judges where connections come from, by the limits in force, the counts and the bans.
type Addresses struct {
	Counts
	Gate atomic.Pointer[Gate] // of the limits; nil when they say nothing of addresses
	// Banned reports whether a peer is banned, and says by whom, until when and why; it counts the refusal.
	Banned func(addr netip.Addr, identity string) (text string, yes bool)
}

// Judge says whether the peer may come in, as far as its address matters, and whether the connection was counted. Lists
// and bans go first; then the limits of the address, so that those whom these refuse use up nothing of the accept rate,
// which is everybody's.
//
// Peers on a unix socket have no address: networks and limits of addresses do not concern them, but the accept rate
// does.
func (a *Addresses) Judge(remote netip.AddrPort) (counted bool, r Refusal) {
	g := a.Gate.Load()
	addr := AddressOf(remote)
	if addr.IsValid() {
		if g != nil && g.Denies(addr) {
			return false, Refusal{Reason: event.ReasonDenied}
		}
		if text, yes := a.Banned(addr, ""); yes {
			return false, Refusal{Reason: event.ReasonBanned, Text: text}
		}
		if g != nil {
			counted, r = a.judgeCounts(g, addr)
		}
	}
	if g == nil || r.Refuses() || g.Rate == nil || g.Rate.Allow() {
		return counted, r
	}
	if counted {
		a.Remove(addr)
	}
	return false, Refusal{Reason: event.ReasonAcceptRate, Rate: g.Rules.AcceptRate}
}

// judgeCounts counts the connection and takes a token of the address's, unless one of these is over its limit.
func (a *Addresses) judgeCounts(g *Gate, addr netip.Addr) (counted bool, r Refusal) {
	if a.Counting.Load() {
		if counted, r = a.Take(addr, g.Rules); r.Refuses() {
			return false, r
		}
	}
	if g.PerAddress == nil || g.PerAddress.Allow(addr, time.Now()) {
		return counted, Refusal{}
	}
	if counted {
		a.Remove(addr)
	}
	return false, Refusal{Reason: event.ReasonIPAcceptRate, Rate: g.Rules.AcceptRatePerIP}
}
