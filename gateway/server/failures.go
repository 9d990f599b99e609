package server

import (
	"sync"
	"time"
)

// failurePeriod is how often failures of one kind make an event at most, so that a flood of them cannot flood the log.
const failurePeriod = time.Second

// failures gathers failures of one kind: the first is reported at once, those of the second after it together.
type failures struct {
	report func(message string, count uint64) // called with mu held

	mu      sync.Mutex
	count   uint64      // since the last report
	message string      // of the newest
	timer   *time.Timer // reports what gathers; nil when nothing was reported lately
}

// add notes one failure.
func (f *failures) add(message string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count++
	f.message = message
	if f.timer == nil {
		f.flush()
		f.timer = time.AfterFunc(failurePeriod, f.tick)
	}
}

// tick reports what has gathered, and goes on as long as something does.
func (f *failures) tick() {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.timer == nil: // stopped
	case f.count == 0:
		f.timer = nil
	default:
		f.flush()
		f.timer.Reset(failurePeriod)
	}
}

// stop reports what is left and leaves no timer behind.
func (f *failures) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.timer != nil {
		f.timer.Stop()
		f.timer = nil
	}
	if f.count > 0 {
		f.flush()
	}
}

// flush reports. The caller holds mu.
func (f *failures) flush() {
	f.report(f.message, f.count)
	f.count = 0
}
