package natsbus

import (
	"sync"
	"time"
)

const (
	// logEvery is how often the same thing is logged.
	logEvery = time.Minute
	// maxOccasions is how many different things are told from each other.
	maxOccasions = 64
)

// occasions say what was not logged for a minute. The zero value is ready; it is safe for concurrent use.
type occasions struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// due reports whether something is to be logged, and counts that as done.
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
