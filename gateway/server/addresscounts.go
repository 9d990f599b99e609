package server

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/sockgate/sockgate/gateway/event"
)

// ipv6Network is the length of the prefix of a customer's IPv6 network, which has as many addresses as the customer likes (RFC 6177).
const ipv6Network = 64

// addressCounts counts connections, from the start of their admission to their end, by address and by IPv6 /64 network. It costs nothing
// until a limit of them is set for the first time; from then on it counts, as a limit may be set again. One lock is enough: it is held for
// two steps of a map, once when a connection comes and once when it goes.
//
// Lock order: its lock is taken with Conn.mu and pending.mu held, and none is taken with it held.
type addressCounts struct {
	counting atomic.Bool // set before the live connections are counted, and never unset

	mu        sync.Mutex
	byAddress map[netip.Addr]int
	byNetwork map[netip.Addr]int // of IPv6, by the first address
}

// begin counts from now on.
func (a *addressCounts) begin() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.byAddress == nil {
		a.byAddress, a.byNetwork = make(map[netip.Addr]int), make(map[netip.Addr]int)
	}
	a.counting.Store(true)
}

// take counts a new connection, unless a limit is reached, which it then returns.
func (a *addressCounts) take(addr netip.Addr, l *rules) (counted bool, r refusal) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if limit := l.ConnectionsPerIP; limit > 0 && a.byAddress[addr] >= limit {
		return false, refusal{reason: event.ReasonIPLimit, limit: limit, text: "the address"}
	}
	network, ok := networkOf(addr)
	if limit := l.ConnectionsPerIPv6Network; ok && limit > 0 && a.byNetwork[network] >= limit {
		return false, refusal{reason: event.ReasonIPLimit, limit: limit, text: "its IPv6 /64 network"}
	}
	a.change(addr, 1)
	return true, refusal{}
}

// add counts a connection whatever the limits are.
func (a *addressCounts) add(addr netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.change(addr, 1)
}

// remove takes a connection that was counted out of the count.
func (a *addressCounts) remove(addr netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.change(addr, -1)
}

// change adds to the counts of an address. The caller holds mu.
func (a *addressCounts) change(addr netip.Addr, by int) {
	adjust(a.byAddress, addr, by)
	if network, ok := networkOf(addr); ok {
		adjust(a.byNetwork, network, by)
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
	if addr.Is4() {
		return netip.Addr{}, false
	}
	p, _ := addr.Prefix(ipv6Network) // the length is one of IPv6
	return p.Addr(), true
}

// countAddress counts a connection that was admitted before counting began, once.
func (c *Conn) countAddress() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.has(flagCounted|flagClosed) || !c.identity.Remote.IsValid() {
		return
	}
	c.flags |= flagCounted
	c.owner.server.addresses.add(addressOf(c.identity.Remote))
}

// uncountAddress ends what countAddress or its admission began. The connection is closed.
func (c *Conn) uncountAddress() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.has(flagCounted) {
		c.flags &^= flagCounted
		c.owner.server.addresses.remove(addressOf(c.identity.Remote))
	}
}

// addressOf is the address as limits, lists and bans know it: without a zone, and an IPv4 one in its own form.
func addressOf(a netip.AddrPort) netip.Addr { return a.Addr().Unmap().WithZone("") }
