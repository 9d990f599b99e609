package contract

import (
	"testing"
	"time"
)

// TestBatch checks the bounds of a response: events, bytes, and times.
func TestBatch(t *testing.T) {
	one := Batch{Events: 1, Bytes: 1}
	for b, want := range map[Batch]struct{ fits, full bool }{
		{}:                               {true, false},
		{BatchSize - 1, 0}:               {true, false},
		{BatchSize, 0}:                   {false, true},
		{1, MaxResponse - 1}:             {true, false},
		{1, MaxResponse}:                 {false, true},
		{BatchSize - 1, MaxResponse}:     {false, true},
		{BatchSize + 1, MaxResponse * 2}: {false, true},
	} {
		if b.Fits(one) != want.fits || b.Full() != want.full {
			t.Errorf("%+v: fits %t, full %t; expected %+v", b, b.Fits(one), b.Full(), want)
		}
	}
	if huge := (Batch{1, 2 * MaxResponse}); !(Batch{}).Fits(huge) {
		t.Error("an empty response has no room for a large event")
	}
	now := time.Now()
	if due := one.Due(now).Sub(now); due != BatchPeriod {
		t.Errorf("events are due after %s", due)
	}
	if due := (Batch{}).Due(now).Sub(now); due != Heartbeat {
		t.Errorf("a heartbeat is due after %s", due)
	}
}
