package admission

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/ipnet"
)

// Counts counts connections, from the start of their admission to their end, by address and by IPv6 /64 network. It
// costs nothing until a limit of them is set for the first time; from then on it counts, as a limit may be set again.
// One lock is enough: it is held for two steps of a map, once when a connection comes and once when it goes.
//
// Lock order: its lock is taken with Conn.mu and pending.mu held, and none is taken with it held.
type Counts struct {
	Counting atomic.Bool // set before the live connections are counted, and never unset

	Mu        sync.Mutex
	ByAddress map[netip.Addr]int
	ByNetwork map[netip.Addr]int // of IPv6, by the first address
}

// Begin counts from now on.
func (a *Counts) Begin() {
	a.Mu.Lock()
	defer a.Mu.Unlock()
	if a.ByAddress == nil {
		a.ByAddress, a.ByNetwork = make(map[netip.Addr]int), make(map[netip.Addr]int)
	}
	a.Counting.Store(true)
}

// Take counts a new connection, unless a limit is reached, which it then returns.
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

// Add counts a connection without asking the limits.
func (a *Counts) Add(addr netip.Addr) {
	a.Mu.Lock()
	defer a.Mu.Unlock()
	a.change(addr, 1)
}

// Remove takes a connection that was counted out of the count.
func (a *Counts) Remove(addr netip.Addr) {
	a.Mu.Lock()
	defer a.Mu.Unlock()
	a.change(addr, -1)
}

// change adds to the counts of an address. The caller holds mu.
func (a *Counts) change(addr netip.Addr, by int) {
	adjust(a.ByAddress, addr, by)
	if network, ok := networkOf(addr); ok {
		adjust(a.ByNetwork, network, by)
	}
}

// adjust adds to one count, and forgets it when it is 0.
func adjust(counts map[netip.Addr]int, key netip.Addr, by int) {
	if n := counts[key] + by; n != 0 {
		counts[key] = n
	} else {
		delete(counts, key)
	}
}

// networkOf returns the IPv6 /64 network of an address by its first address; false for IPv4, which has none.
func networkOf(addr netip.Addr) (netip.Addr, bool) {
	site, ok := ipnet.Site(addr)
	return site.Addr(), ok
}

// AddressOf is the address as limits, lists and bans know it: without a zone, and an IPv4 one in its own form.
func AddressOf(a netip.AddrPort) netip.Addr { return ipnet.Addr(a.Addr()) }
