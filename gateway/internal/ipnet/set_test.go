package ipnet

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

// TestSet checks that a set has exactly the addresses that one of its networks has.
func TestSet(t *testing.T) {
	address := rapid.Custom(func(t *rapid.T) netip.Addr {
		b := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 127, 128, 255}), 4, 4).Draw(t, "bytes")
		if rapid.Bool().Draw(t, "six") {
			return netip.AddrFrom16([16]byte{0: 0x20, 1: b[0], 7: b[1], 14: b[2], 15: b[3]})
		}
		return netip.AddrFrom4([4]byte(b))
	})
	rapid.Check(t, func(t *rapid.T) {
		var list []netip.Prefix
		for range rapid.IntRange(0, 8).Draw(t, "networks") {
			a := address.Draw(t, "network")
			list = append(list, netip.PrefixFrom(a, rapid.IntRange(0, a.BitLen()).Draw(t, "bits")))
		}
		set := NewSet(list)
		for range 20 {
			a, want := address.Draw(t, "address"), false
			for _, p := range list {
				want = want || p.Contains(a)
			}
			if set.Contains(a) != want {
				t.Fatalf("%s in %s: %v; expected %v", a, list, !want, want)
			}
		}
	})
}
