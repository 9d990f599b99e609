package exchange

import "time"

const (
	// leastRate is how many bytes a second a node has to send of its part, on average.
	leastRate = 64 << 10
	// mostWaiting is how long a part may be waited for in all, beyond the first patience.
	mostWaiting = time.Minute
)

// Patience is how long to wait for a node's part of something that others wait for too, such as a snapshot. The bytes
// that come give back some of it: a node that sends next to nothing, again and again, must not hold the others up. The
// zero value has none. It is for use by one goroutine.
type Patience struct{ most, left, rest time.Duration }

// NewPatience returns the patience with a part before its first byte.
func NewPatience(most time.Duration) Patience {
	return Patience{most: most, left: most, rest: most + mostWaiting}
}

// Left returns how long to wait for the next bytes.
func (p *Patience) Left() time.Duration { return max(0, min(p.left, p.rest)) }

// Spend takes note of a wait, and of the bytes that came at its end.
func (p *Patience) Spend(waited time.Duration, bytes int) {
	p.rest -= waited
	p.left = min(p.most, p.left-waited+time.Duration(bytes)*time.Second/leastRate)
}
