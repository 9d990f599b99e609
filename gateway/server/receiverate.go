package server

import "github.com/sockgate/sockgate/gateway/server/internal/credit"

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
		x.rate = credit.NewMeter(at, l.receiveRates())
	}
	if x.rate.Spend(n, messages, at, l.receiveRates(), c.endRest) {
		c.owner.server.counters.RatePauses.Add(1)
		c.stopReading()
	}
}

// endRest ends a rest, or prolongs it while a debt is left. It uses the limits in force, so that a change of them takes
// effect within credit.MaxRest.
func (c *Conn) endRest() {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.owner.server.limits.Load()
	if c.extra == nil || c.extra.rate == nil || c.has(flagDone) ||
		!c.extra.rate.Rested(c.owner.server.now(), l.receiveRates()) {
		return
	}
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
	r.Stop()
	if r.Paused && !c.has(flagClosed) {
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
	case c.has(flagHandlerPause), x.rate != nil && x.rate.Paused:
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
