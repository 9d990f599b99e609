package transport

import (
	"net"
	"net/netip"
)

// addrPort returns the address of a TCP connection, with IPv4 unmapped; the zero value for any other.
func addrPort(a net.Addr) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		p := tcp.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	return netip.AddrPort{}
}
