package server

import (
	"time"

	"github.com/sockgate/sockgate/gateway/server/internal/credit"
)

// receiveRate is what a connection has once a receive rate held for it: what it may still read. The connection's lock
// guards it.
//
// A second's worth gathers while the peer is quiet, which it may send at once. A read is never cut: one that exceeds
// the credit makes it negative, and reading rests until that is made up for, so that nothing is dropped and the average
// holds.
type receiveRate struct {
	credit.Credit
	paused bool        // reading rests, until timer
	timer  *time.Timer // nil until the first rest
}

// receiveRates are the rates of a credit.
func (l *Limits) receiveRates() credit.Rates {
	return credit.Rates{Bytes: l.ReceiveRate, Reads: l.ReceiveMessageRate}
}

// rated reports whether there is a receive rate.
func (l *Limits) rated() bool { return l.ReceiveRate > 0 || l.ReceiveMessageRate > 0 }

// rate counts a read of n bytes, and lets reading rest when that is more than the receive rates allow.
func (c *Conn) rate(n int, at moment, l *Limits) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending != nil || c.has(flagDone) { // what still comes is discarded, as fast as it can be
		return
	}
	x := c.more()
	if x.rate == nil {
		x.rate = &receiveRate{Credit: credit.New(at, l.receiveRates())}
	}
	r := x.rate
	r.Refill(max(at, r.At), l.receiveRates())
	r.Take(n)
	rest := r.Rest(l.receiveRates())
	if rest == 0 || r.paused { // a read that was on its way when the rest began
		return
	}
	r.paused = true
	c.owner.server.counters.ratePauses.Add(1)
	c.socket.Pause()
	if r.timer == nil {
		r.timer = time.AfterFunc(rest, c.endRest)
	} else {
		r.timer.Reset(rest)
	}
}

// endRest is called when a rest may be over. It asks the limits in force, so that a change of them holds within
// credit.MaxRest.
func (c *Conn) endRest() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.extra == nil || c.extra.rate == nil || !c.extra.rate.paused || c.has(flagDone) {
		return
	}
	s, r := c.owner.server, c.extra.rate
	l := s.limits.Load()
	r.Refill(max(s.now(), r.At), l.receiveRates())
	if rest := r.Rest(l.receiveRates()); rest > 0 {
		r.timer.Reset(rest)
		return
	}
	r.paused = false
	if !l.rated() {
		c.extra.rate = nil
	}
	c.readOn()
}

// stopRate ends a rest for good. The caller holds mu.
func (c *Conn) stopRate() {
	if c.extra == nil || c.extra.rate == nil {
		return
	}
	r := c.extra.rate
	c.extra.rate = nil
	if r.timer != nil {
		r.timer.Stop()
	}
	if r.paused && !c.has(flagClosed) {
		c.readOn()
	}
}

// rested returns since when a connection has been read from without a rest, at the earliest; 0 when it is not known to
// have rested. A connection that is not read from is not idle. The caller holds mu.
func (c *Conn) rested(now moment) moment {
	switch x := c.extra; {
	case x == nil || x.rate == nil:
		return 0
	case x.rate.paused:
		return now
	default:
		return x.rate.At
	}
}
