package natsbus

import (
	"sync"
	"time"
)

const (
	// logEvery is the least time between two log lines about one subject.
	logEvery = time.Minute
	// maxOccasions is the most subjects that are remembered. One more makes the bus forget all of them.
	maxOccasions = 64
)

// occasions limits how often a subject is logged. The zero value is ready for use. Its methods may be called from any
// goroutine.
type occasions struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// due reports whether a subject must be logged now, and then counts it as logged.
func (o *occasions) due(what string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	if last, ok := o.last[what]; ok && now.Sub(last) < logEvery {
		return false
	}
	if o.last == nil || len(o.last) >= maxOccasions {
		o.last = make(map[string]time.Time)
	}
	o.last[what] = now
	return true
}
