package transport

import "time"

// Moment is a time on a Clock: nanoseconds since it began. Setting the machine's clock does not change it.
type Moment int64

// Clock is a monotonic clock. It may be copied, and used by any goroutine.
type Clock struct{ began time.Time }

// NewClock returns a clock that begins now.
func NewClock() Clock { return Clock{began: time.Now()} }

// Now reads the clock.
func (c Clock) Now() Moment { return Moment(time.Since(c.began)) }

// At returns the moment's time of day.
func (c Clock) At(m Moment) time.Time { return c.began.Add(time.Duration(m)) }
