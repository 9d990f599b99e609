package daemon

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// unixScheme begins the address of a unix socket.
const unixScheme = "unix://"

// checkControl refuses a control address that others than this machine can reach: without TLS and identities, everybody
// who reaches it may do everything.
func checkControl(address string) error {
	if path, ok := strings.CutPrefix(address, unixScheme); ok {
		if !strings.HasPrefix(path, "/") {
			return fmt.Errorf("--control %.100q: expected an absolute path, unix:///path", address)
		}
		return nil
	}
	host, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return fmt.Errorf("--control %.100q: expected host:port or unix:///path: %w", address, err)
	}
	if host == "localhost" {
		return nil
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Unmap().IsLoopback() {
		return nil
	}
	return fmt.Errorf("--control %s is not a loopback address: the control plane has no TLS and no authentication yet, so that anyone who "+
		"reaches it could cut every connection; use 127.0.0.1, [::1] or unix:///path, and reach it through an SSH tunnel", address)
}
