// Package credit computes how much may be read from a peer by its receive rates, and how long reading rests when it was
// more.
package credit

import (
	"time"

	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

const (
	// minRest is the shortest rest: what comes meanwhile is read together afterwards, with fewer timers.
	minRest = 5 * time.Millisecond
	// MaxRest is the longest rest: after it the caller judges anew, by the limits as they are then.
	MaxRest = time.Second
)

// Rates are how many bytes, and how many reads, a second may have. 0: no limit.
type Rates struct{ Bytes, Reads int }

// Credit is what may still be read. It is at most a second's worth; below 0 it is what has to be made up for. The
// caller guards it.
type Credit struct {
	At    transport.Moment // when the credit was last brought up to date
	bytes float64
	reads float64
}

// New returns a full credit.
func New(at transport.Moment, rates Rates) Credit {
	return Credit{At: at, bytes: float64(rates.Bytes), reads: float64(rates.Reads)}
}

// Take takes the credit of one read of n bytes.
func (c *Credit) Take(n int) {
	c.bytes -= float64(n)
	c.reads--
}

// Refill adds what has come to the credit since it was last brought up to date.
func (c *Credit) Refill(now transport.Moment, rates Rates) {
	passed := time.Duration(now - c.At).Seconds()
	c.At = now
	c.bytes = refilled(c.bytes, rates.Bytes, passed)
	c.reads = refilled(c.reads, rates.Reads, passed)
}

// refilled is a credit some seconds later: at most a second's worth, and none where there is no limit.
func refilled(credit float64, rate int, passed float64) float64 {
	if rate == 0 {
		return 0
	}
	return min(float64(rate), credit+float64(rate)*passed)
}

// Rest is how long reading rests until nothing has to be made up for: 0 when nothing has, else 5 ms to MaxRest.
func (c *Credit) Rest(rates Rates) time.Duration {
	var seconds float64
	if rates.Bytes > 0 {
		seconds = -c.bytes / float64(rates.Bytes)
	}
	if rates.Reads > 0 {
		seconds = max(seconds, -c.reads/float64(rates.Reads))
	}
	if seconds <= 0 {
		return 0
	}
	return max(minRest, time.Duration(min(seconds, MaxRest.Seconds())*float64(time.Second)))
}
