package admission

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/ipnet"
)

// Counts counts connections by address and by IPv6 /64 network, from the start of their admission to their end. It
// costs nothing until a limit on addresses is set for the first time. From then on it counts for good, because the
// limit may be set again. One lock is enough: it is held for two steps of a map when a connection comes, and again when
// it goes.
//
// Lock order: docs/locks.md.
type Counts struct {
	Counting atomic.Bool // set before the live connections are counted, and never unset

	Mu        sync.Mutex         // guards the maps
	ByAddress map[netip.Addr]int // no entry is 0
	ByNetwork map[netip.Addr]int // IPv6 only, by the first address of the network; no entry is 0
}

// Begin starts counting. It does not count the connections that are live already: the caller adds them. A second Begin
// does nothing.
func (a *Counts) Begin() {
	a.Mu.Lock()
	defer a.Mu.Unlock()
	if a.ByAddress == nil {
		a.ByAddress, a.ByNetwork = make(map[netip.Addr]int), make(map[netip.Addr]int)
	}
	a.Counting.Store(true)
}

// Take counts a new connection, or returns the limit that it would exceed and counts nothing. Call it only after Begin.
func (a *Counts) Take(addr netip.Addr, l *Rules) (counted bool, r Refusal) {
	a.Mu.Lock()
	defer a.Mu.Unlock()
	if limit := l.ConnectionsPerIP; limit > 0 && a.ByAddress[addr] >= limit {
		return false, Refusal{Reason: event.ReasonIPLimit, Limit: limit, Text: "the address"}
	}
	network, ok := networkOf(addr)
	if limit := l.ConnectionsPerIPv6Network; ok && limit > 0 && a.ByNetwork[network] >= limit {
		return false, Refusal{Reason: event.ReasonIPLimit, Limit: limit, Text: "its IPv6 /64 network"}
	}
	a.change(addr, 1)
	return true, Refusal{}
}

// Add counts a connection whatever the limits are. Call it only after Begin.
func (a *Counts) Add(addr netip.Addr) {
	a.Mu.Lock()
	defer a.Mu.Unlock()
	a.change(addr, 1)
}

// Remove undoes one Take or Add of the same address.
func (a *Counts) Remove(addr netip.Addr) {
	a.Mu.Lock()
	defer a.Mu.Unlock()
	a.change(addr, -1)
}

// change adds by to the counts of an address. The caller holds Mu.
func (a *Counts) change(addr netip.Addr, by int) {
	adjust(a.ByAddress, addr, by)
	if network, ok := networkOf(addr); ok {
		adjust(a.ByNetwork, network, by)
	}
}

// adjust adds by to one count, and removes a count that becomes 0.
func adjust(counts map[netip.Addr]int, key netip.Addr, by int) {
	if n := counts[key] + by; n != 0 {
		counts[key] = n
	} else {
		delete(counts, key)
	}
}

// networkOf returns the first address of the IPv6 /64 network that has addr; false for IPv4.
func networkOf(addr netip.Addr) (netip.Addr, bool) {
	site, ok := ipnet.Site(addr)
	return site.Addr(), ok
}

// OriginOf returns the address that stands for all of one customer: the IPv4 address, or the first address of the IPv6
// /64 network. It is the zero Addr for a peer on a unix socket.
func OriginOf(a netip.AddrPort) netip.Addr {
	addr := AddressOf(a)
	if network, ok := networkOf(addr); ok {
		return network
	}
	return addr
}

// AddressOf returns the address in the form that limits, lists and bans use: without a zone, and IPv4 never in its IPv6
// form.
func AddressOf(a netip.AddrPort) netip.Addr { return ipnet.Addr(a.Addr()) }
