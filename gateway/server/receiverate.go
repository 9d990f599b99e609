package server

import (
	"time"

	"github.com/sockgate/sockgate/gateway/server/internal/credit"
)

// receiveRate is the credit of a connection that has had a receive rate. The connection's lock guards it.
//
// While a peer is quiet it saves up credit for a second's worth, which it may send at once. A read is never cut: it may
// leave a debt. Reading then rests until the debt is paid off, so that no byte is dropped and the average holds.
type receiveRate struct {
	credit.Credit
	paused bool        // reading rests until timer runs
	timer  *time.Timer // nil until the first rest
}

// receiveRates returns the rates of a connection's credit.
func (l *Limits) receiveRates() credit.Rates {
	return credit.Rates{Bytes: l.ReceiveRate, Messages: l.ReceiveMessageRate}
}

// rated reports whether any receive rate is set.
func (l *Limits) rated() bool { return l.ReceiveRate > 0 || l.ReceiveMessageRate > 0 }

// rate takes a read of n bytes from the connection's credit, and makes reading rest when that leaves a debt. The read
// counts as one message, or as the frames that it completed.
func (c *Conn) rate(n, messages int, at moment, l *Limits) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending != nil || c.has(flagDone) { // later bytes are discarded as fast as they come
		return
	}
	x := c.more()
	if x.rate == nil {
		x.rate = &receiveRate{Credit: credit.New(at, l.receiveRates())}
	}
	r := x.rate
	r.Refill(max(at, r.At), l.receiveRates())
	r.Take(n, messages)
	rest := r.Rest(l.receiveRates())
	if rest == 0 || r.paused { // a read was on its way when the rest began
		return
	}
	r.paused = true
	c.owner.server.counters.RatePauses.Add(1)
	c.stopReading()
	if r.timer == nil {
		r.timer = time.AfterFunc(rest, c.endRest)
	} else {
		r.timer.Reset(rest)
	}
}

// endRest ends a rest, or prolongs it while a debt is left. It uses the limits in force, so that a change of them takes
// effect within credit.MaxRest.
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

// stopRate removes the receive rate and ends a rest. The caller holds mu.
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

// rested returns a moment since which the peer has been read from without a rest or a pause of the handler; 0 for a
// connection without one lately. A connection that is not read from is not idle. The caller holds mu.
func (c *Conn) rested(now moment) (since moment) {
	x := c.extra
	switch {
	case x == nil:
		return 0
	case c.has(flagHandlerPause), x.rate != nil && x.rate.paused:
		return now
	}
	if x.rate != nil {
		since = x.rate.At
	}
	if p := c.rare().pause; p != nil {
		since = max(since, p.Ended)
	}
	return since
}
