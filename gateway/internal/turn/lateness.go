package turn

import (
	"context"
	"math"
	"sync/atomic"
	"time"
)

const (
	// probe is how long the watch sleeps between two looks, while there are turns.
	probe = time.Millisecond
	// tolerated is how late the watch may wake before the process counts as late.
	tolerated = 500 * time.Microsecond
	// maxFactor is the longest rest after a turn, in turns: ordinary turns then have a tenth of their slots' time.
	maxFactor = 9
	// maxRest is the longest rest after one turn.
	maxRest = 5 * time.Millisecond
	// calm is how long the watch goes on without turns.
	calm = 100 * time.Millisecond
)

// lateness follows how late the process is: a goroutine that sleeps is woken late when all processors of the scheduler
// are busy, as the goroutines of the data plane are.
type lateness struct {
	wanted chan struct{} // capacity 1
	woken  *atomic.Int64 // unix nanoseconds of the last turn that began
	rest   *atomic.Uint64
}

func newLateness() lateness {
	return lateness{wanted: make(chan struct{}, 1), woken: new(atomic.Int64), rest: new(atomic.Uint64)}
}

// factor returns the rest after a turn, in turns.
func (l *lateness) factor() float64 { return math.Float64frombits(l.rest.Load()) }

// wake tells the watch that a turn begins.
func (l *lateness) wake() {
	now := time.Now().UnixNano()
	if was := l.woken.Load(); now-was < int64(calm/2) {
		return
	}
	l.woken.Store(now)
	select {
	case l.wanted <- struct{}{}:
	default:
	}
}

// Watch measures how late the process is while there are turns, until ctx ends. Without it turns have no rests.
func (t *Turns) Watch(ctx context.Context) {
	for {
		select {
		case <-t.late.wanted:
			t.late.follow(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// follow adjusts the rests until there have been no turns for a while.
func (l *lateness) follow(ctx context.Context) {
	timer := time.NewTimer(probe)
	defer timer.Stop()
	defer l.rest.Store(math.Float64bits(0))
	for time.Now().UnixNano()-l.woken.Load() < int64(calm) {
		began := time.Now()
		timer.Reset(probe)
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		l.adjust(time.Since(began) - probe)
	}
}

// adjust makes rests longer at once when the process is late, and shorter slowly (additive increase of the share,
// multiplicative decrease: Chiu and Jain, 1989).
func (l *lateness) adjust(late time.Duration) {
	f := l.factor()
	if late > tolerated {
		f = min(maxFactor, 2*f+0.5)
	} else {
		f = max(0, f-0.02)
	}
	l.rest.Store(math.Float64bits(f))
}
