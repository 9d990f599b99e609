//go:build !unix

package bench

import "time"

// descriptorLimit is 0: not limited, or not known.
func descriptorLimit() int { return 0 }

// processorTime is not known here.
func processorTime() (time.Duration, bool) { return 0, false }
