//go:build !linux

package turn

import "time"

var start = time.Now()

// threadTime returns the time by the clock, where that of a thread is not known.
func threadTime() time.Duration { return time.Since(start) }
