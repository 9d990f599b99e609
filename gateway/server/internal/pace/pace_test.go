package pace

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestPace holds that a scan rests for half as long as it works, but not while it may be a page, and that a rest that
// was too long shortens the next.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New()
		work := func(d time.Duration) (rested time.Duration) {
			time.Sleep(d)
			began := time.Now()
			p.Rest()
			return time.Since(began)
		}
		for i := range unpaced {
			if rested := work(time.Millisecond); rested != 0 {
				t.Errorf("stretch %d: a rest of %s", i, rested)
			}
		}
		for range 3 {
			if rested := work(time.Millisecond); rested != time.Millisecond/2 {
				t.Errorf("a rest of %s after a millisecond", rested)
			}
		}
		p.owed -= time.Millisecond // as after a sleep that was too long
		for i, want := range []time.Duration{0, 0, time.Millisecond / 2} {
			if rested := work(time.Millisecond); rested != want {
				t.Errorf("stretch %d after a long rest: a rest of %s; expected %s", i, rested, want)
			}
		}
	})
}
