package attack

import (
	"maps"
	"sync"
)

// Tally counts the acts of attackers and the gateway's answers. Its methods may be called from any goroutine.
type Tally struct {
	mu     sync.Mutex
	counts map[string]int64
	first  map[string]string // the first message of each status
}

// NewTally returns an empty tally.
func NewTally() *Tally { return &Tally{counts: make(map[string]int64), first: make(map[string]string)} }

// Add counts n more.
func (t *Tally) Add(what string, n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[what] += n
}

// ended counts the end of a call.
func (t *Tally) ended(status, message string) {
	if status == "" {
		status = "reset " + message
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[status]++
	if _, known := t.first[status]; !known {
		t.first[status] = message
	}
}

// Report is a tally at one moment.
type Report struct {
	Counts map[string]int64
	First  map[string]string
}

// Report returns the counts so far.
func (t *Tally) Report() Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Report{Counts: maps.Clone(t.counts), First: maps.Clone(t.first)}
}
