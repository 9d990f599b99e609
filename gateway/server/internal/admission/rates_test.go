package admission

import (
	"net/netip"
	"testing"
	"time"
)

// TestAddressRatesAreBounded holds that the table of accept rates is bounded, and that an address that used up its rate
// is not forgotten at the bound.
func TestAddressRatesAreBounded(t *testing.T) {
	a, now := NewRates(0.001, 2), time.Now()
	attacker := netip.MustParseAddr("203.0.113.7")
	for range 2 {
		if !a.Allow(attacker, now) {
			t.Fatal("the burst is refused")
		}
	}
	addr := netip.MustParseAddr("10.0.0.0")
	for range MaxRated + 10_000 {
		addr = addr.Next()
		if !a.Allow(addr, now) {
			t.Fatalf("%s is refused", addr)
		}
	}
	if n := len(a.buckets); n != MaxRated {
		t.Errorf("%d addresses are kept; expected %d", n, MaxRated)
	}
	if a.Allow(attacker, now) {
		t.Error("the rate of an address that had used it up was forgotten, while others had not")
	}
}
