// Package gather reports frequent things at most once a second: their number, and the newest of them.
package gather

import (
	"sync"
	"time"
)

// Period is the shortest time between two reports of one kind.
const Period = time.Second

// Gatherer gathers notes of one kind. It reports the first one at once, and the notes of the following second together.
// Its methods may be called from any goroutine. They call Report, so the caller holds no lock that Report takes.
type Gatherer[T any] struct {
	// Report gets the newest note and the number of notes since the last report. The calls do not overlap, and mu is not
	// held. It must be set before the first Add. It may block, but then holds up Add.
	Report func(newest T, count uint64)

	reporting sync.Mutex // held during a report. Lock order: docs/locks.md

	mu     sync.Mutex
	count  uint64      // notes since the last report
	newest T           // the newest note
	timer  *time.Timer // makes the next report; nil when nothing was noted lately
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

// tick reports the gathered notes. It runs again after a Period, unless nothing was noted.
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

// Stop reports the remaining notes and stops the timer.
func (g *Gatherer[T]) Stop() {
	g.mu.Lock()
	if g.timer != nil {
		g.timer.Stop()
		g.timer = nil
	}
	g.mu.Unlock()
	g.flush()
}

// flush reports the gathered notes, if there are any.
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
