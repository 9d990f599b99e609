// Package gather reports things that happen often seldom: one report a second, with the newest of them and their
// number.
package gather

import (
	"sync"
	"time"
)

// Period is the least time between two reports.
const Period = time.Second

// Gatherer gathers notes of one kind: the first is reported at once, those of the second after it together. Its methods
// may be called from any goroutine.
type Gatherer[T any] struct {
	// Report is called without the gatherer's lock, once at a time. It must be set before the first Add.
	Report func(newest T, count uint64)

	reporting sync.Mutex // held during a report; taken before mu

	mu     sync.Mutex
	count  uint64      // since the last report
	newest T           // the last note
	timer  *time.Timer // reports what gathers; nil when nothing was reported lately
}

// Add notes one thing.
func (g *Gatherer[T]) Add(newest T) {
	g.mu.Lock()
	g.count++
	g.newest = newest
	first := g.timer == nil
	if first {
		g.timer = time.AfterFunc(Period, g.tick)
	}
	g.mu.Unlock()
	if first {
		g.flush()
	}
}

// tick reports what has gathered, and goes on as long as something does.
func (g *Gatherer[T]) tick() {
	g.mu.Lock()
	switch {
	case g.timer == nil: // stopped
	case g.count == 0:
		g.timer = nil
	default:
		g.timer.Reset(Period)
	}
	g.mu.Unlock()
	g.flush()
}

// Stop reports what is left and leaves no timer behind.
func (g *Gatherer[T]) Stop() {
	g.mu.Lock()
	if g.timer != nil {
		g.timer.Stop()
		g.timer = nil
	}
	g.mu.Unlock()
	g.flush()
}

// flush reports what has gathered, if anything has.
func (g *Gatherer[T]) flush() {
	g.reporting.Lock()
	defer g.reporting.Unlock()
	g.mu.Lock()
	newest, count := g.newest, g.count
	g.count = 0
	g.mu.Unlock()
	if count > 0 {
		g.Report(newest, count)
	}
}
