//go:build linux

package siege

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// Record has the outcomes of one kind of act. Its methods may be called from any goroutine.
type Record struct {
	mu     sync.Mutex
	times  []time.Duration
	failed int
	first  error
}

// Add notes an act that took so long, or failed.
func (r *Record) Add(took time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.times = append(r.times, took)
		return
	}
	r.failed++
	if r.first == nil {
		r.first = err
	}
}

// Tried returns how many acts there were since the last Take.
func (r *Record) Tried() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.times) + r.failed
}

// Take returns the acts since the last Take, and forgets them.
func (r *Record) Take() Summary {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.Sort(r.times)
	s := Summary{Done: len(r.times), Failed: r.failed, P50: quantile(r.times, 0.5), P99: quantile(r.times, 0.99)}
	if r.first != nil {
		s.First = r.first.Error()
	}
	r.times, r.failed, r.first = nil, 0, nil
	return s
}

// Summary sums the acts of one kind up.
type Summary struct {
	Done, Failed int
	P50, P99     time.Duration // of those that were done; with fewer than 100 acts, P99 is the slowest
	First        string        // the first failure
}

func (s Summary) String() string {
	text := fmt.Sprintf("%d done, %s and %s", s.Done, short(s.P50), short(s.P99))
	if s.Failed > 0 {
		text += fmt.Sprintf(", %d failed: %s", s.Failed, s.First)
	}
	return text
}

// quantile returns a quantile of sorted times; 0 of none.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// short rounds a time to three digits or so.
func short(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= 10*time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(10 * time.Microsecond).String()
}
