package turn

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/sockgate/sockgate/gateway/internal/share"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newByClock returns Turns with one slot that take the time of a bubble's clock for processor time.
func newByClock() *Turns {
	turns, start := New(1), time.Now()
	turns.clock = func() time.Duration { return time.Since(start) }
	return turns
}

// spend does n turns of a length for a party, one after the other, and writes the party's name after each.
func spend(t *testing.T, turns *Turns, p share.Party, n int, length time.Duration, done chan<- string) {
	w := turns.Work(t.Context(), p)
	for range n {
		w.Begin()
		time.Sleep(length)
		w.End()
		done <- p.Key
	}
}

// TestTurnsAreFair checks that an identity with many works gets no more than one with few, and that an administrator
// goes before both.
func TestTurnsAreFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newByClock()
		done := make(chan string, 1000)
		for range 20 {
			go spend(t, turns, share.Party{Key: "many"}, 10, slice, done)
		}
		go spend(t, turns, share.Party{Key: "few"}, 10, slice, done)
		go spend(t, turns, share.Party{Key: "admin", Reserve: true}, 10, slice, done)
		count := make(map[string]int)
		for range 24 {
			count[<-done]++
		}
		if count["few"] < 6 || count["admin"] < 8 {
			t.Errorf("the first 24 turns were %v; expected about as many for few as for many, and most for the admin", count)
		}
		for range 220 - 24 {
			<-done
		}
		used, _ := turns.Use()
		if want := 200 * slice; used[share.Party{Key: "many"}] != want {
			t.Errorf("many used %v; expected %v", used[share.Party{Key: "many"}], want)
		}
	})
}

// TestLease checks that a turn whose work waits for something else does not keep others waiting.
func TestLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newByClock()
		stuck := turns.Work(t.Context(), share.Party{Key: "stuck"})
		stuck.Begin()
		other := turns.Work(t.Context(), share.Party{Key: "other"})
		began := time.Now()
		other.Begin()
		if waited := time.Since(began); waited > 2*lease {
			t.Errorf("waited %s", waited)
		}
		stuck.End() // is over already
		third := turns.Work(t.Context(), share.Party{Key: "third"})
		entered := make(chan struct{})
		go func() { third.Begin(); close(entered) }()
		synctest.Wait()
		select {
		case <-entered:
			t.Error("two turns at once, with one slot")
		default:
		}
		other.End()
		<-entered
		third.End()
	})
}

// TestLongSteps checks that a step that takes longer than a lease counts in full, and that no other turn begins
// meanwhile.
func TestLongSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newByClock()
		const length = 10 * lease
		ctx, cancel := context.WithCancel(t.Context())
		var working sync.WaitGroup
		for _, step := range []struct {
			key    string
			length time.Duration
		}{{"long", length}, {"short", slice}} {
			for range 10 {
				working.Go(func() {
					w := turns.Work(ctx, share.Party{Key: step.key})
					for ctx.Err() == nil {
						w.Do(func() { time.Sleep(step.length) })
						w.End()
					}
				})
			}
		}
		time.Sleep(100 * length)
		used, _ := turns.Use()
		long, short := used[share.Party{Key: "long"}], used[share.Party{Key: "short"}]
		if all := long + short; long > all/2+2*length || all < 98*length || all > 101*length {
			t.Errorf("long steps used %v and short ones %v; expected half of %v each", long, short, 100*length)
		}
		cancel()
		working.Wait()
	})
}

// TestContextEndsWaiting checks that a work whose context ends goes on without a turn, and leaves nothing behind.
func TestContextEndsWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newByClock()
		first := turns.Work(t.Context(), share.Party{Key: "a"})
		first.Begin()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		second := turns.Work(ctx, share.Party{Key: "b"})
		second.Begin()
		second.End()
		if len(turns.lanes[0].queue) != 0 || len(turns.running) != 1 {
			t.Errorf("%d wait, %d run; expected 0 and 1", len(turns.lanes[0].queue), len(turns.running))
		}
		first.End()
	})
}

// TestRests checks that turns are followed by rests while the process is late, and that the rests end when it no longer
// is.
func TestRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newByClock()
		for range 10 {
			turns.late.adjust(2 * tolerated)
		}
		done := make(chan string, 100)
		began := time.Now()
		spend(t, turns, share.Party{Key: "a"}, 10, slice, done)
		if took, least := time.Since(began), 9*(1+maxFactor)*slice; took < least {
			t.Errorf("10 turns took %s; expected at least %s", took, least)
		}
		for range 10_000 {
			turns.late.adjust(0)
		}
		if f := turns.late.factor(); f != 0 {
			t.Errorf("rests of %v turns after a calm; expected none", f)
		}
	})
}

// TestAdministratorsDoNotWaitForRests checks that an administrator's turn comes during the rest after another's.
func TestAdministratorsDoNotWaitForRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newByClock()
		for range 10 {
			turns.late.adjust(2 * tolerated)
		}
		done := make(chan string, 1)
		spend(t, turns, share.Party{Key: "a"}, 1, slice, done)
		<-done
		began := time.Now()
		spend(t, turns, share.Party{Key: "admin", Reserve: true}, 1, slice, done)
		if took := time.Since(began); took != slice {
			t.Errorf("an administrator's turn took %s; expected %s, and no rest before", took, slice)
		}
		<-done
		spend(t, turns, share.Party{Key: "a"}, 1, slice, done)
		if took, least := time.Since(began), maxFactor*slice; took < least {
			t.Errorf("the next turn ended after %s; expected the rest of %s before it", took, least)
		}
	})
}

// TestWatchEnds checks that the watch looks only while there are turns, and ends with its context.
func TestWatchEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newByClock()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); turns.Watch(ctx) }()
		w := turns.Work(t.Context(), share.Party{Key: "a"})
		w.Begin()
		w.End()
		time.Sleep(2 * calm)
		cancel()
		<-ended
	})
}

// TestManyIdentities checks that identities that are gone cost no memory without end.
func TestManyIdentities(t *testing.T) {
	turns := New(1)
	for i := range 3 * maxUsers {
		w := turns.Work(t.Context(), share.Party{Key: fmt.Sprint(i)})
		w.Begin()
		w.End()
	}
	if n := len(turns.users); n > maxUsers+1 {
		t.Errorf("%d users are remembered; expected at most %d", n, maxUsers)
	}
}

func BenchmarkStep(b *testing.B) {
	w := New(1).Work(b.Context(), share.Party{Key: "a"})
	for b.Loop() {
		w.Step()
	}
}

func BenchmarkTurn(b *testing.B) {
	w := New(1).Work(b.Context(), share.Party{Key: "a"})
	for b.Loop() {
		w.Begin()
		w.End()
	}
}
