package transport

import "time"

// Moment is a point in time on a Clock, in nanoseconds since the clock began. Setting the machine's clock does not
// change it.
type Moment int64

// Clock is a monotonic clock. A Clock may be copied and used by any goroutine. Use NewClock: the zero value has no
// beginning.
type Clock struct{ began time.Time }

// NewClock returns a clock that begins now.
func NewClock() Clock { return Clock{began: time.Now()} }

// Now returns the current moment.
func (c Clock) Now() Moment { return Moment(time.Since(c.began)) }

// At returns the time of day of a moment, counted from the machine's clock at NewClock. Later settings of that clock do
// not change it.
func (c Clock) At(m Moment) time.Time { return c.began.Add(time.Duration(m)) }
