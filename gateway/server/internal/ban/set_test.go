package ban

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestBanSetModel holds that a set finds a peer exactly when one of its bans covers the peer and has not expired, and
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
		var bans List
		model := make(map[Target]time.Time)
		for range rapid.IntRange(0, 20).Draw(t, "changes") {
			b := &Ban{Target: target.Draw(t, "target")}
			if rapid.Bool().Draw(t, "expired") {
				b.ExpiresAt = now
			}
			var rows []*Ban
			if set := bans.Current.Load(); set != nil {
				rows = set.rows
			}
			rows, err := merge(rows, []*Ban{b})
			if err != nil {
				t.Fatal(err)
			}
			if old, found := model[b.Target]; found && (old.IsZero() || !b.ExpiresAt.IsZero() && old.After(b.ExpiresAt)) {
				b.ExpiresAt = old
			}
			model[b.Target] = b.ExpiresAt
			bans.Current.Store(NewSet(rows))
		}
		set := bans.Current.Load()
		if set != nil && (len(set.rows) != len(model) ||
			!slices.IsSortedFunc(set.rows, func(a, b *Ban) int { return a.Target.Compare(b.Target) })) {
			t.Fatalf("%d rows, of %d targets; expected them in order", len(set.rows), len(model))
		}
		addr, name := address.Draw(t, "peer"), identity.Draw(t, "peer's identity")
		want := false
		for target, expires := range model {
			want = want || expires.IsZero() && target.Covers(addr, name)
		}
		if got := set.find(addr, name, now); (got != nil) != want {
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
			slices.SortFunc(rows, func(a, b *Ban) int { return a.Target.Compare(b.Target) })
			var l List
			l.Current.Store(NewSet(rows))
			b.ReportAllocs()
			for b.Loop() {
				if found := l.Find(addr, ""); found != nil {
					b.Fatal(found.Text())
				}
			}
		})
	}
}
