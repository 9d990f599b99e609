package ban

import (
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestBanSetModel holds that a table finds a peer exactly when one of its bans covers the peer and has not expired, and
// that the bans stay in order.
func TestBanSetModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
		octet := rapid.SampledFrom([]byte{0, 1, 127, 255})
		four := rapid.Custom(func(t *rapid.T) netip.Addr {
			return netip.AddrFrom4([4]byte{octet.Draw(t, "a"), octet.Draw(t, "b"), octet.Draw(t, "c"), octet.Draw(t, "d")})
		})
		address := rapid.OneOf(four,
			rapid.Map(four, func(a netip.Addr) netip.Addr { return netip.AddrFrom16(a.As16()) }), // IPv4 in its IPv6 form
			rapid.Map(four, func(a netip.Addr) netip.Addr {
				return netip.AddrFrom16([16]byte{0x20, 1, 14: a.As4()[0], 15: a.As4()[1]})
			}))
		identity := rapid.SampledFrom([]string{"", "a", "b"})
		target := rapid.Custom(func(t *rapid.T) Target {
			if name := identity.Draw(t, "identity"); name != "" {
				return Target{identity: name}
			}
			addr := address.Draw(t, "address")
			b, err := ParseTarget(netip.PrefixFrom(addr, rapid.IntRange(0, addr.BitLen()).Draw(t, "bits")).String(), false)
			if err != nil {
				t.Fatal(err)
			}
			return b
		})
		var bans table
		model := make(map[Target]time.Time)
		for range rapid.IntRange(0, 20).Draw(t, "changes") {
			b := &Ban{Target: target.Draw(t, "target"), size: 100}
			if rapid.Bool().Draw(t, "expired") {
				b.ExpiresAt = now
			}
			switch old := bans.of(b.Target); {
			case rapid.IntRange(0, 3).Draw(t, "remove") == 0:
				if removed := bans.remove(b.Target); removed != old {
					t.Fatalf("removed %v; expected %v", removed, old)
				}
				delete(model, b.Target)
			case old == nil || !old.outlasts(b):
				if n := bans.put([]*Ban{b}); n == 1 != (old != nil) {
					t.Fatalf("%d replaced", n)
				}
				model[b.Target] = b.ExpiresAt
			}
		}
		if rapid.Bool().Draw(t, "pruned") {
			bans.prune(now)
			maps.DeleteFunc(model, func(_ Target, expires time.Time) bool { return !expires.IsZero() })
		}
		if len(bans.rows) != len(model) || bans.bytes != 100*len(model) ||
			!slices.IsSortedFunc(bans.rows, func(a, b *Ban) int { return a.Target.Compare(b.Target) }) {
			t.Fatalf("%d rows of %d bytes, of %d targets; expected them in order", len(bans.rows), bans.bytes, len(model))
		}
		addr, name := address.Draw(t, "peer"), identity.Draw(t, "peer's identity")
		want := false
		for target, expires := range model {
			want = want || expires.IsZero() && target.Covers(addr, name)
		}
		if got := bans.find(addr, name, now); (got != nil) != want {
			t.Fatalf("%s %q: found %v; expected %v", addr, name, got, want)
		}
	})
}

// BenchmarkBanned measures the cost of bans for an admission: no bans, 10,000 networks of one prefix length, and as
// many of every length.
func BenchmarkBanned(b *testing.B) {
	addr := netip.MustParseAddr("192.0.2.1")
	for _, c := range []struct {
		name         string
		bans, widest int // prefixes of 32 bits down to widest
	}{{"none", 0, 32}, {"one length", Max, 32}, {"every length", Max, 8}} {
		b.Run(c.name, func(b *testing.B) {
			targets := make(map[Target]bool)
			for i := 0; len(targets) < c.bans; i++ {
				bits := 32 - i%(33-c.widest)
				network := netip.PrefixFrom(netip.AddrFrom4([4]byte{10 + byte(i%100), byte(i >> 16), byte(i >> 8), byte(i)}), bits)
				targets[Target{network: network.Masked()}] = true
			}
			var rows []*Ban
			for target := range targets {
				rows = append(rows, &Ban{Target: target})
			}
			var l List
			l.table.put(rows)
			l.counted()
			b.ReportAllocs()
			for b.Loop() {
				if found := l.Find(addr, ""); found != nil {
					b.Fatal(found.Text())
				}
			}
		})
	}
}
