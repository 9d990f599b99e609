package silence_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockgate/sockgate/gateway/server/internal/silence"
	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

// TestCheck holds the bounds of a timeout.
func TestCheck(t *testing.T) {
	for timeout, ok := range map[time.Duration]bool{0: true, silence.Min: true, silence.Max: true, -1: false,
		silence.Min - 1: false, silence.Max + 1: false} {
		if err := silence.Check(timeout); (err == nil) != ok {
			t.Errorf("%s: %v", timeout, err)
		}
	}
}

// TestDeferred holds that a call that comes much too late is made again a second later.
func TestDeferred(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := transport.NewClock()
		var calls atomic.Int32
		var r silence.Rule
		r.Await(clock.Now(), time.Minute, func() { calls.Add(1) })
		time.Sleep(time.Minute)
		synctest.Wait()
		late := clock.Now() + transport.Moment(time.Second)
		if calls.Load() != 1 || r.Deferred(clock.Now()) || r.Deferred(late) {
			t.Errorf("%d calls, or one in time is deferred", calls.Load())
		}
		if !r.Deferred(clock.Now() + transport.Moment(2*time.Second)) {
			t.Error("a call after a stop of the process is not deferred")
		}
		time.Sleep(time.Second)
		if synctest.Wait(); calls.Load() != 2 {
			t.Errorf("%d calls; expected another one", calls.Load())
		}
		r.Await(clock.Now(), time.Minute, nil)
		r.Stop()
		if time.Sleep(time.Hour); calls.Load() != 2 {
			t.Error("called after Stop")
		}
	})
}
