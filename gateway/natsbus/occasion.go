package natsbus

import (
	"sync"
	"time"
)

const (
	// logEvery is the least time between two lines of the log about one subject.
	logEvery = time.Minute
	// maxOccasions bounds the subjects that are remembered; at one more, all are forgotten.
	maxOccasions = 64
)

// occasions limit how often a subject is logged. The zero value is ready; it is safe for concurrent use.
type occasions struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// due reports whether a subject is to be logged now, and counts it as logged.
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
