package bench

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/sockgate/sockgate/ctl/internal/ctltest"
)

// TestSources checks the local addresses that connections come from.
func TestSources(t *testing.T) {
	given, err := sourceAddresses("tcp", "10.0.0.1:1", []string{"127.0.0.3", "::1"}, 1, false)
	if err != nil || len(given) != 2 || given[0].String() != "127.0.0.3:0" || given[1].String() != "[::1]:0" {
		t.Errorf("%v, %v", given, err)
	}
	for _, tt := range []struct {
		address string
		sockets int
		churn   bool
		want    int
	}{
		{"127.0.0.1:1", 100, false, 0}, {"127.0.0.1:1", 50_000, false, 3}, {"127.0.0.1:1", 1, true, churnSources},
		{"10.0.0.1:1", 50_000, true, 0}, {"localhost:1", 1, true, 0}, {"[::1]:1", 1, true, 0},
	} {
		found, err := sourceAddresses("tcp", tt.address, nil, tt.sockets, tt.churn)
		if err != nil || len(found) != tt.want && len(found) != 0 { // a system may have 127.0.0.1 only
			t.Errorf("%+v: %v, %v", tt, found, err)
		}
	}
	seen := make(chan netip.Addr, 2)
	addr := ctltest.Serve(t, ctltest.Listen(t), func(_ int, conn net.Conn) {
		seen <- conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr()
	})
	if len(loopbackSources(addr, 2)) == 0 {
		t.Skip("this system has no 127.0.0.2")
	}
	newBenchRun(t.Context(), "127.0.0.1:1").run("idle -c 2 -d 10ms --source 127.0.0.2,127.0.0.3", addr)
	if a, b := <-seen, <-seen; a == b || !strings.HasPrefix(a.String(), "127.0.0.") {
		t.Errorf("connections came from %s and %s", a, b)
	}
}
