package lane

// The handler budget bounds the bytes of all backlogs together. Over three quarters of it, every connection of the
// table is paused; the rest is for bytes that are read meanwhile. Under half of it, reading goes on. Hazard: when many
// peers send at the same moment, the event loops read on while one of them pauses all, about a microsecond for each
// connection; what they read in that time may exceed a small budget.

// hold counts n more bytes of a backlog, and pauses the connection while the budget is scarce. It returns true when the
// budget has become scarce just now: the caller must call throttle when it holds no lock. The caller holds the owner's
// mu.
func (t *Table) hold(o *owner, n int) (scarce bool) {
	total, budget := t.count(n), t.budget.Load()
	if budget == 0 || total <= budget-budget/4 {
		return false
	}
	scarce = t.scarce.CompareAndSwap(false, true)
	o.starve() // behind the mark: the walk that resumes all begins later, and so finds the connection paused
	return scarce
}

// release counts n bytes less.
func (t *Table) release(n int) { t.relax(t.count(-n)) }

// count adds to the bytes of all backlogs, and returns how many there are. The server counts them too, together with
// those of half frames. Half frames pause nobody: their rest could not come then, and they would stay.
func (t *Table) count(n int) (total int64) {
	t.server.Unacknowledged().Add(int64(n))
	return t.bytes.Add(int64(n))
}

// relax ends the scarcity when there is room again.
func (t *Table) relax(total int64) {
	budget := t.budget.Load()
	if t.scarce.Load() && (budget == 0 || total <= budget/2) && t.scarce.CompareAndSwap(true, false) {
		signal(t.changed)
	}
}

// signal puts a token into a channel of capacity 1, unless one is there.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// starve pauses reading for the budget. The caller holds mu.
func (o *owner) starve() {
	if !o.has(flagScarce) {
		o.flags |= flagScarce
		o.conn.Pause()
	}
}

// throttle pauses or resumes every connection, as the budget says. The event loop that makes the budget scarce does it
// itself: meanwhile it reads no more, and it waits for no other goroutine. It takes about a microsecond for each
// connection.
func (t *Table) throttle() {
	t.walking.Lock()
	defer t.walking.Unlock()
	for _, h := range t.handlers {
		for _, o := range h.owners() {
			o.mu.Lock()
			switch scarce := t.scarce.Load(); {
			case o.has(flagClosed):
			case scarce:
				o.starve()
			case o.has(flagScarce):
				o.flags &^= flagScarce
				o.readOn()
			}
			o.mu.Unlock()
		}
	}
}
