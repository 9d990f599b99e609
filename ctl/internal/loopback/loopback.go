// Package loopback tells the addresses that cannot leave this machine from the others.
package loopback

import (
	"net"
	"net/netip"
	"strings"
)

// OnThisMachine reports whether an address, host:port or unix:///path, cannot leave this machine. It judges the text
// and resolves nothing: localhost counts, any other name does not.
func OnThisMachine(addr string) bool {
	if strings.HasPrefix(addr, "unix://") {
		return true
	}
	host, _, _ := net.SplitHostPort(addr)
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && IsLoopback(ip)
}

// IsLoopback reports whether an address is a loopback one, also when it is an IPv4 address in IPv6 form.
func IsLoopback(ip netip.Addr) bool { return ip.Unmap().IsLoopback() }
