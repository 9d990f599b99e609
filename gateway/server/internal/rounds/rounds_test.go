package rounds_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockgate/sockgate/gateway/server/internal/rounds"
	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

// TestPeriod holds that the shortest timeout decides, within the bounds.
func TestPeriod(t *testing.T) {
	for _, c := range []struct {
		timeouts []time.Duration
		want     time.Duration
	}{
		{nil, time.Second},
		{[]time.Duration{0, -1}, time.Second},
		{[]time.Duration{time.Hour, 1600 * time.Millisecond}, 100 * time.Millisecond},
		{[]time.Duration{time.Millisecond}, 5 * time.Millisecond},
	} {
		if got := rounds.Period(c.timeouts...); got != c.want {
			t.Errorf("Period%v: %s; expected %s", c.timeouts, got, c.want)
		}
	}
}

// TestRun holds that looks come with the periods, and that Run ends.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stop, clock := make(chan struct{}), transport.NewClock()
		var looks []transport.Moment
		period := 10 * time.Millisecond
		go rounds.Run(stop, clock, func() time.Duration { return period }, func(now transport.Moment) {
			looks = append(looks, now)
			period *= 2
		})
		time.Sleep(80 * time.Millisecond)
		close(stop)
		synctest.Wait()
		if len(looks) != 3 || looks[0] != looks[1]/3 || looks[2] != transport.Moment(70*time.Millisecond) {
			t.Errorf("looks at %v; expected them at 10, 30 and 70 ms", looks)
		}
	})
}
