package drain_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockgate/sockgate/gateway/server/internal/drain"
)

// TestTimes holds that a flush is a part of the grace period, and comes on top of none.
func TestTimes(t *testing.T) {
	for grace, want := range map[time.Duration][2]time.Duration{
		-1: {time.Second, time.Second}, 0: {time.Second, time.Second},
		5 * time.Second:  {5 * time.Second, time.Second},
		time.Hour:        {time.Hour, 2 * time.Second},
		1000 * time.Hour: {24 * time.Hour, 2 * time.Second},
	} {
		if all, flush := drain.Times(grace); all != want[0] || flush != want[1] {
			t.Errorf("Times(%s): %s and %s; expected %s and %s", grace, all, flush, want[0], want[1])
		}
	}
}

// TestDrain holds that the earlier deadline wins, that every request is answered, and that connections that stay are
// first flushed and then cut short.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := drain.New[string]()
		began, live := time.Now(), 3
		var did []string
		at := func(what string) { did = append(did, time.Since(began).String()+" "+what) }
		answer := func() {
			for _, r := range d.Asked() {
				at("answers " + r)
			}
		}
		d.Join("first", began.Add(time.Hour), time.Second, "why", "ann")
		<-d.Begun
		go func() {
			time.Sleep(1500 * time.Millisecond)
			if s, joined := d.Join("second", began.Add(4500*time.Millisecond), 2*time.Second, "other", "bob"); !joined ||
				s.Reason != "why" || s.By != "ann" || !s.Deadline.Equal(began.Add(4500*time.Millisecond)) {
				t.Errorf("joined %v: %+v", joined, s)
			}
		}()
		left := d.Await(func() int { return live }, answer, func() { at("goes on") })
		d.Close(func() int { return live }, answer, func(time.Time) { at("flushes") }, func() {
			at("cuts short")
			live = 0
			d.Emptied()
		})
		d.End(left)
		want := []string{"0s answers first", "1s goes on", "1.5s answers second", "2s goes on", "2.5s flushes",
			"4.5s cuts short"}
		if s := d.Status(); !slices.Equal(did, want) || s.Left != 3 || !s.Over {
			t.Errorf("%q, %+v; expected %q and 3 left", did, s, want)
		}
	})
}
