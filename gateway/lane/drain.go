package lane

import "time"

const (
	// movesPerTick is how many connections a draining lane gives away in a tick: 2,000 a second. It looks at ten times as
	// many, in no order.
	movesPerTick = 200
	// judgeEvery is how often all connections of a silent lane are looked at.
	judgeEvery = time.Second
)

// Drain makes the lane drain: it gets no connection any more, and its connections move to other lanes of the handler
// within a time: at most 2,000 a second, each when nothing of it is unacknowledged, and at the end all the same. When
// all have moved, the lane ends. The time is 0 to MaxDrain; a later Drain may only shorten it.
func (l *Lane) Drain(within time.Duration) {
	ends := l.handler.table.now.Load() + int64(min(max(within, 0), MaxDrain))
	l.mu.Lock()
	if l.drain == 0 || ends < l.drain {
		l.drain = max(ends, 1)
	}
	l.mu.Unlock()
}

// drains reports whether the lane drains.
func (l *Lane) drains() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.drain != 0
}

// tick looks at the lane's clock.
func (l *Lane) tick(now int64) {
	l.mu.Lock()
	drain, connections := l.drain, len(l.owners)
	if now-l.beaten.Load() >= int64(beat) {
		l.wake()
	}
	l.mu.Unlock()
	switch {
	case drain != 0 && (connections == 0 || now >= drain):
		l.Detach(Cause{Text: "the lane's drain is over", Drained: true})
		return
	case drain != 0:
		l.giveAway()
	}
	l.judge(now)
}

// judge ends a lane whose instance is silent while it owes answers, or takes nothing of what it is sent.
func (l *Lane) judge(now int64) {
	most := l.handler.table.frozenAfter
	if now-l.beaten.Load() > int64(beat+most) {
		l.Detach(Cause{Text: "the instance took nothing for " + (beat + most).String(), Frozen: true})
		if l.cut != nil {
			l.cut()
		}
		return
	}
	if now-l.heard.Load() < int64(most) || now-l.scanned < int64(judgeEvery) {
		return
	}
	l.scanned = now
	if l.owes(now, most) {
		l.Detach(Cause{Text: "the instance owed acknowledgements and said nothing for " + most.String(), Frozen: true})
	}
}

// giveAway moves some connections of a draining lane that nothing is unacknowledged of.
func (l *Lane) giveAway() {
	h := l.handler
	h.mu.Lock()
	other := h.pick("", l)
	h.mu.Unlock()
	if other == nil {
		return
	}
	moved := 0
	for _, o := range l.some(10 * movesPerTick) {
		o.mu.Lock()
		idle := o.lane == l && o.backlog == nil && o.has(flagAdmitted)
		o.mu.Unlock()
		if idle && h.moveAway(o, l) {
			if moved++; moved == movesPerTick {
				return
			}
		}
	}
}

// owes reports whether the instance has owed a connection of the lane an answer for a time.
func (l *Lane) owes(now int64, most time.Duration) bool {
	for _, o := range l.all() {
		o.mu.Lock()
		owes := o.lane == l && now-o.owesSince(now) >= int64(most)
		o.mu.Unlock()
		if owes {
			return true
		}
	}
	return false
}

// DrainInstance makes every lane of an instance drain. It returns how many lanes and connections the instance has, and
// how many lanes of others do not drain; no lanes when there is no such instance.
func (t *Table) DrainInstance(handler, instance string, within time.Duration) (lanes, others int, connections int64) {
	h := t.handlers[handler]
	if h == nil {
		return 0, 0, 0
	}
	for _, l := range h.attached() {
		switch {
		case l.instance == instance:
			lanes++
			connections += l.count.Load()
			l.Drain(within)
		case !l.drains():
			others++
		}
	}
	return lanes, others, connections
}
