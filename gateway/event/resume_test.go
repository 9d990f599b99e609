package event_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/sockgate/sockgate/gateway/event"
)

// TestCursorBeforeGap holds that a subscriber that is cut off before a Gap gets the Gap when it resumes.
func TestCursorBeforeGap(t *testing.T) {
	for _, from := range []string{"edge-1.6a1b2c3c@99", "edge-1.19ab0d3f1c2@7"} {
		l := newLog(256)
		fill(l, 300, event.Ended)
		cut := subscribe(t, l, event.Options{After: from})
		if got := cut.Cursor().String(); got != from {
			t.Errorf("behind %s and before anything was delivered the cursor is %s", from, got)
		}
		for _, resumed := range drain(subscribe(t, l, event.Options{After: cut.Cursor().String()}))[:1] {
			if resumed.Type != event.Gap {
				t.Errorf("resumed with %v; expected a gap", resumed)
			}
		}
		drain(cut)
		if got, want := cut.Cursor(), l.Head(); got != want {
			t.Errorf("after everything the cursor is %s; expected %s", got, want)
		}
	}
}

// TestCursorBeforeGapInFullBatch holds the same for a gap that is found when the batch is full.
func TestCursorBeforeGapInFullBatch(t *testing.T) {
	l := newLog(256)
	fill(l, 10, event.Ended)
	s := subscribe(t, l, event.Options{After: "0"})
	var seen []event.Event
	for range 5 {
		seen = append(seen, s.Poll(make([]event.Event, 0, 1))...)
	}
	fill(l, 300, event.Ended)
	next := uint64(len(seen)) + 1
	for range 400 {
		cursor := s.Cursor()
		batch := s.Poll(make([]event.Event, 0, 1))
		if len(batch) == 0 {
			break
		}
		if cursor.Sequence+1 != next {
			t.Fatalf("cursor %s before %v; expected the position before %d", cursor, batch[0], next)
		}
		if gap, ok := batch[0].Detail.(*event.GapDetail); ok {
			next = gap.To + 1
			continue
		}
		next++
	}
	if next != l.Head().Sequence+1 {
		t.Errorf("came to %d of %d", next, l.Head().Sequence)
	}
}

// TestEveryWaitingSubscriptionWakes holds that one event reaches all waiting subscriptions, even while others give up
// at the same moment.
func TestEveryWaitingSubscriptionWakes(t *testing.T) {
	l := newLog(256)
	ctx, giveUp := context.WithCancel(safety(t))
	defer giveUp()
	var waiting, quitting sync.WaitGroup
	for i := range 200 {
		s := subscribe(t, l, event.Options{})
		if i%2 == 0 {
			waiting.Go(func() {
				for n := 0; n < 50; {
					batch, err := s.Next(safety(t), nil)
					if err != nil {
						t.Error(err)
						return
					}
					n += len(batch)
				}
			})
			continue
		}
		quitting.Go(func() {
			for {
				if _, err := s.Next(ctx, nil); err != nil {
					return
				}
			}
		})
	}
	for i := range 50 {
		if i == 25 {
			giveUp()
		}
		fill(l, 1, event.Ended)
	}
	quitting.Wait()
	waiting.Wait()
}

// TestOneEventIsOneWake holds that subscriptions that have seen everything do not wake each other.
func TestOneEventIsOneWake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog(256)
		ctx, cancel := context.WithCancel(context.Background())
		var following sync.WaitGroup
		var got atomic.Int64
		for range 100 {
			s, err := l.Subscribe(event.Options{})
			if err != nil {
				t.Fatal(err)
			}
			following.Go(func() {
				defer s.Close()
				for {
					batch, err := s.Next(ctx, nil)
					if err != nil {
						return
					}
					got.Add(int64(len(batch)))
				}
			})
		}
		for n := range int64(3) {
			synctest.Wait()
			l.Append(&event.Event{Type: event.Ended})
			synctest.Wait() // returns only when all of them wait again and none wakes another
			if got.Load() != 100*(n+1) {
				t.Errorf("%d events delivered; expected %d", got.Load(), 100*(n+1))
			}
		}
		cancel()
		following.Wait()
	})
}

// TestNoWakeIsLost holds that a subscription that goes to sleep while an event is published wakes for that event.
func TestNoWakeIsLost(t *testing.T) {
	const rounds, followers = 3000, 3
	l := newLog(256)
	reached := make(chan struct{}, followers)
	var following sync.WaitGroup
	for range followers {
		s := subscribe(t, l, event.Options{})
		following.Go(func() {
			for n := 0; n < 2*rounds; {
				batch, err := s.Next(safety(t), nil)
				if err != nil {
					t.Error(err)
					return
				}
				for range batch {
					if n++; n%2 == 0 {
						reached <- struct{}{}
					}
				}
			}
		})
	}
	ctx := safety(t)
	for range rounds {
		fill(l, 1, event.Ended)
		fill(l, 1, event.Ended)
		for range followers {
			select {
			case <-reached:
			case <-ctx.Done():
				t.Fatal("somebody sleeps on")
			}
		}
	}
	following.Wait()
}
