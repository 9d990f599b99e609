package member

import (
	"time"

	"golang.org/x/time/rate"
)

// seldom lets one line through in a period, and counts the others.
type seldom struct {
	rate   rate.Sometimes
	missed uint64
}

func newSeldom(every time.Duration) seldom { return seldom{rate: rate.Sometimes{Interval: every}} }

// pass reports whether a line may go through, and how many were held back since the last.
func (s *seldom) pass() (missed uint64, ok bool) {
	s.missed++
	s.rate.Do(func() { missed, ok, s.missed = s.missed-1, true, 0 })
	return missed, ok
}
