package registry

import (
	"testing"
)

// TestPlaces holds that every reader sees each place counted once, and that a limit applies to live and pending
// connections together.
func TestPlaces(t *testing.T) {
	var p Places
	for i := range 3 {
		if !p.Reserve(3) || p.Pending() != i+1 || p.Live() != 0 {
			t.Fatalf("place %d: %d pending, %d live", i, p.Pending(), p.Live())
		}
	}
	p.Admit()
	if p.Reserve(3) || p.Pending() != 2 || p.Live() != 1 {
		t.Errorf("%d pending, %d live of at most 3", p.Pending(), p.Live())
	}
	p.Release()
	if !p.Reserve(3) || p.Leave() != 0 || p.Pending() != 2 {
		t.Errorf("%d pending, %d live; expected 2 and 0", p.Pending(), p.Live())
	}
}
