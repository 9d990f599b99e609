// Package port finds ports that are free, for programs that cannot choose one themselves.
package port

import (
	"net"
	"testing"
)

// Free returns a port for each name: one that is free on all addresses of this machine.
func Free(t testing.TB, names ...string) map[string]string {
	t.Helper()
	ports := make(map[string]string)
	for _, name := range names {
		l, err := net.Listen("tcp", ":0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		_, ports[name], _ = net.SplitHostPort(l.Addr().String())
	}
	return ports
}
