// Package credit computes how much may be read from a peer under its receive rates, and how long reading rests after
// too much.
package credit

import (
	"time"

	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

const (
	// minRest is the shortest rest. Bytes that arrive meanwhile are read together afterwards, with fewer timers.
	minRest = 5 * time.Millisecond
	// MaxRest is the longest rest. After it the caller judges anew, by the limits in force then.
	MaxRest = time.Second
)

// Rates are limits on one peer: bytes a second, and messages a second. 0 sets no limit.
type Rates struct{ Bytes, Messages int }

// Credit is how much may still be read from a peer: at most a second's worth. A negative credit is a debt, and reading
// rests until it is paid off. The caller guards it.
type Credit struct {
	At       transport.Moment // when Refill last ran
	bytes    float64
	messages float64
}

// New returns a full credit.
func New(at transport.Moment, rates Rates) Credit {
	return Credit{At: at, bytes: float64(rates.Bytes), messages: float64(rates.Messages)}
}

// Take takes one read of n bytes with a number of messages from the credit.
func (c *Credit) Take(n, messages int) {
	c.bytes -= float64(n)
	c.messages -= float64(messages)
}

// Refill adds the credit of the time since the last Refill.
func (c *Credit) Refill(now transport.Moment, rates Rates) {
	passed := time.Duration(now - c.At).Seconds()
	c.At = now
	c.bytes = refilled(c.bytes, rates.Bytes, passed)
	c.messages = refilled(c.messages, rates.Messages, passed)
}

// refilled returns a credit after passed seconds: at most a second's worth, and 0 without a limit.
func refilled(credit float64, rate int, passed float64) float64 {
	if rate == 0 {
		return 0
	}
	return min(float64(rate), credit+float64(rate)*passed)
}

// Rest returns how long reading rests until the debt is paid off: 0 without a debt, otherwise 5 ms to MaxRest.
func (c *Credit) Rest(rates Rates) time.Duration {
	var seconds float64
	if rates.Bytes > 0 {
		seconds = -c.bytes / float64(rates.Bytes)
	}
	if rates.Messages > 0 {
		seconds = max(seconds, -c.messages/float64(rates.Messages))
	}
	if seconds <= 0 {
		return 0
	}
	return max(minRest, time.Duration(min(seconds, MaxRest.Seconds())*float64(time.Second)))
}

// Meter is the credit of one peer, and the rests of reading from it. The caller guards it.
//
// While a peer is quiet it saves up credit for a second's worth, which it may send at once. A read is never cut: it may
// leave a debt. Reading then rests until the debt is paid off, so that no byte is dropped and the average holds.
type Meter struct {
	Credit
	Paused bool        // reading rests
	timer  *time.Timer // of the rest; nil until the first
}

// NewMeter returns a meter with a full credit.
func NewMeter(at transport.Moment, rates Rates) *Meter { return &Meter{Credit: New(at, rates)} }

// Spend takes a read from the credit, and reports whether reading must rest from now on. end is called, without a lock,
// when the rest may be over, to call Rested.
func (m *Meter) Spend(n, messages int, at transport.Moment, rates Rates, end func()) bool {
	m.Refill(max(at, m.At), rates)
	m.Take(n, messages)
	rest := m.Rest(rates)
	if rest == 0 || m.Paused { // a read was on its way when the rest began
		return false
	}
	m.Paused = true
	if m.timer == nil {
		m.timer = time.AfterFunc(rest, end)
	} else {
		m.timer.Reset(rest)
	}
	return true
}

// Rested ends a rest and returns true, or prolongs it while a debt is left.
func (m *Meter) Rested(now transport.Moment, rates Rates) bool {
	if !m.Paused {
		return false
	}
	m.Refill(max(now, m.At), rates)
	if rest := m.Rest(rates); rest > 0 {
		m.timer.Reset(rest)
		return false
	}
	m.Paused = false
	return true
}

// Stop ends the timer.
func (m *Meter) Stop() {
	if m.timer != nil {
		m.timer.Stop()
	}
}
