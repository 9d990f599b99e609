package server

import (
	"sync"
	"time"
)

// failurePeriod is how often failures of one kind make an event at most, so that a flood of them cannot flood the log.
const failurePeriod = time.Second

// failures gathers failures of one kind: the first is reported at once, those of the second after it together.
type failures[T any] struct {
	report    func(newest T, count uint64) // called without mu
	reporting sync.Mutex                   // one report at a time; taken before mu

	mu     sync.Mutex
	count  uint64      // since the last report
	newest T           // what is kept of the last one
	timer  *time.Timer // reports what gathers; nil when nothing was reported lately
}

// add notes one failure.
func (f *failures[T]) add(newest T) {
	f.mu.Lock()
	f.count++
	f.newest = newest
	first := f.timer == nil
	if first {
		f.timer = time.AfterFunc(failurePeriod, f.tick)
	}
	f.mu.Unlock()
	if first {
		f.flush()
	}
}

// tick reports what has gathered, and goes on as long as something does.
func (f *failures[T]) tick() {
	f.mu.Lock()
	switch {
	case f.timer == nil: // stopped
	case f.count == 0:
		f.timer = nil
	default:
		f.timer.Reset(failurePeriod)
	}
	f.mu.Unlock()
	f.flush()
}

// stop reports what is left and leaves no timer behind.
func (f *failures[T]) stop() {
	f.mu.Lock()
	if f.timer != nil {
		f.timer.Stop()
		f.timer = nil
	}
	f.mu.Unlock()
	f.flush()
}

// flush reports what has gathered, if anything has.
func (f *failures[T]) flush() {
	f.reporting.Lock()
	defer f.reporting.Unlock()
	f.mu.Lock()
	newest, count := f.newest, f.count
	f.count = 0
	f.mu.Unlock()
	if count > 0 {
		f.report(newest, count)
	}
}
