package filter

import (
	"fmt"
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"github.com/sockgate/sockgate/gateway/event"
)

// TestIPInAgreesWithNetip holds that ip_in agrees with netip for constant and computed networks and every form of
// address.
func TestIPInAgreesWithNetip(t *testing.T) {
	address := rapid.Custom(func(t *rapid.T) netip.Addr {
		if rapid.Bool().Draw(t, "v4") {
			return netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "bytes")))
		}
		return netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "bytes"))).Unmap()
	})
	rapid.Check(t, func(t *rapid.T) {
		network := address.Draw(t, "network")
		prefix := netip.PrefixFrom(network, rapid.IntRange(0, network.BitLen()).Draw(t, "bits"))
		remote := address.Draw(t, "remote")
		if rapid.Bool().Draw(t, "near") {
			remote = prefix.Masked().Addr()
		}
		want := prefix.Contains(remote)
		if remote.Is4() && rapid.Bool().Draw(t, "mapped") {
			remote = netip.AddrFrom16(remote.As16())
		}
		info := open()
		identity := *info.Identity
		identity.Remote = netip.AddrPortFrom(remote, 1)
		info.Identity, info.Labels = &identity, map[string]string{"net": prefix.String(), "ip": remote.String()}
		for _, expr := range []string{
			fmt.Sprintf(`ip_in(remote_ip, "%s")`, prefix), `ip_in(remote_ip, labels.net)`, `ip_in(labels.ip, labels.net)`,
		} {
			if got := matchOnce(t, expr, info); got != want {
				t.Fatalf("%s is %v for %s in %s", expr, got, remote, prefix)
			}
		}
	})
}

func matchOnce(t *rapid.T, expr string, info *event.Connection) bool {
	f, err := Compile(expr)
	if err != nil {
		t.Fatal(err)
	}
	return f.Match(info)
}

// TestFailedNetworkIsCheap holds that a match does not quote a text that is no network.
func TestFailedNetworkIsCheap(t *testing.T) {
	info := largest()
	for _, expr := range []string{`ip_in(remote_ip, close_text)`, `ip_in(close_text, closed_by)`} {
		f := compiled(t, expr)
		if allocs := testing.AllocsPerRun(100, func() { f.Match(info) }); allocs > 6 {
			t.Errorf("%s allocates %v times", expr, allocs)
		}
	}
}
