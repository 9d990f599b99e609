package admission

import (
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
)

// Addresses judges the address of a new connection by the limits in force, the counts and the bans. Its methods may be
// called from any goroutine.
type Addresses struct {
	Counts
	Gate atomic.Pointer[Gate] // of the limits in force; nil when no limit concerns addresses
	// Banned reports whether a peer is banned, and counts the refusal. The text has the ban's author, end and reason. An
	// identity of "" is not known. It must be set before the first Judge.
	Banned func(addr netip.Addr, identity string) (text string, yes bool)
}

// Judge reports whether the address of the peer lets it in, and whether the connection was counted. Lists and bans are
// asked first, then the limits of the address, and last the accept rate of all. So a connection that its address rules
// out uses up nothing of the rate that all share. A counted connection must be taken out again with Remove.
//
// A peer on a unix socket has no address. Only the accept rate of all applies to it.
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

// judgeCounts counts the connection and takes a token from the bucket of its address, unless one of the two limits is
// reached.
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
