//go:build !unix

package bench

import "time"

// DescriptorLimit is 0: not limited, or not known.
func DescriptorLimit() int { return 0 }

// processorTime is not known here.
func processorTime() (time.Duration, bool) { return 0, false }
