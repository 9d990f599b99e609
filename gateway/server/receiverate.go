package server

import "time"

const (
	// minRest is the shortest pause for a receive rate: what has not come by then is read together afterwards, with fewer timers.
	minRest = 5 * time.Millisecond
	// maxRest is after how long a pause is judged anew, by the limits as they are then.
	maxRest = time.Second
)

// receiveRate is what a connection has once a receive rate held for it: what it may still read. The connection's lock guards it.
//
// A second's worth gathers while the peer is quiet, which it may send at once. A read is never cut: one that exceeds the credit makes it
// negative, and reading rests until that is made up for, so that nothing is dropped and the average holds.
type receiveRate struct {
	at     moment      // when the credits were last brought up to date
	bytes  float64     // that may still be read; below 0 it is what has to be made up for
	reads  float64     // the same
	paused bool        // reading rests, until timer
	timer  *time.Timer // nil until the first rest
}

// refill adds what has come to the credits since they were last brought up to date.
func (r *receiveRate) refill(now moment, l *Limits) {
	passed := time.Duration(now - r.at).Seconds()
	r.at = now
	r.bytes = refilled(r.bytes, l.ReceiveRate, passed)
	r.reads = refilled(r.reads, l.ReceiveMessageRate, passed)
}

// refilled is a credit some seconds later: at most a second's worth, and none where there is no limit.
func refilled(credit float64, rate int, passed float64) float64 {
	if rate == 0 {
		return 0
	}
	return min(float64(rate), credit+float64(rate)*passed)
}

// rest is how long it takes until nothing has to be made up for; 0 when nothing has.
func (r *receiveRate) rest(l *Limits) time.Duration {
	var seconds float64
	if l.ReceiveRate > 0 {
		seconds = -r.bytes / float64(l.ReceiveRate)
	}
	if l.ReceiveMessageRate > 0 {
		seconds = max(seconds, -r.reads/float64(l.ReceiveMessageRate))
	}
	if seconds <= 0 {
		return 0
	}
	return max(minRest, time.Duration(min(seconds, maxRest.Seconds())*float64(time.Second)))
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
		x.rate = &receiveRate{at: at, bytes: float64(l.ReceiveRate), reads: float64(l.ReceiveMessageRate)}
	}
	r := x.rate
	r.refill(max(at, r.at), l)
	r.bytes -= float64(n)
	r.reads--
	rest := r.rest(l)
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

// endRest is called when a rest may be over. It asks the limits in force, so that a change of them holds within maxRest.
func (c *Conn) endRest() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.extra == nil || c.extra.rate == nil || !c.extra.rate.paused || c.has(flagDone) {
		return
	}
	s, r := c.owner.server, c.extra.rate
	l := s.limits.Load()
	r.refill(max(s.now(), r.at), l)
	if rest := r.rest(l); rest > 0 {
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

// rested returns since when a connection has been read from without a rest, at the earliest; 0 when it is not known to have rested. Who
// is not read from is not idle. The caller holds mu.
func (c *Conn) rested(now moment) moment {
	switch x := c.extra; {
	case x == nil || x.rate == nil:
		return 0
	case x.rate.paused:
		return now
	default:
		return x.rate.at
	}
}
