package lane

import (
	"fmt"
	"sync"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
)

// A connection whose bytes have cost several owners their life may do it again, and so may those that were only beside
// it. quarantine delivers the bytes of such suspects one connection at a time, so that the next loss has one cause:
// the others are not closed for it.
type quarantine struct {
	mu      sync.Mutex
	out     *owner   // its bytes are delivered and not acknowledged
	since   int64    // coarse time of that
	waiting []*owner // others, in order
}

const (
	// patience is how long a suspect may keep others waiting.
	patience = time.Second
	// maxLosses is how many owners are lost at one position before the connection is closed.
	maxLosses = 3
)

// suspect counts the loss of an instance that had bytes of the connection and did not acknowledge them, and closes the
// connection after the third at one position. The caller holds mu.
func (o *owner) suspect() {
	if o.delivered() == o.acknowledged {
		return
	}
	r := o.more()
	switch {
	case r.lostAt != o.acknowledged:
		r.losses = 0
	case r.losses > 0 && r.lostBy == o.lane.life:
		return // the connection went from one lane of the instance to the next
	}
	r.losses, r.lostAt, r.lostBy = r.losses+1, o.acknowledged, o.lane.life
	if r.losses < maxLosses || o.has(flagClosed) {
		return
	}
	o.fail(event.ReasonHandlerFailed, fmt.Sprintf("%d instances were lost with bytes from position %d on", r.losses,
		o.acknowledged))
}

// suspected reports whether the bytes at the acknowledged position have cost more than one owner. The caller holds mu.
func (o *owner) suspected() bool {
	return o.rare != nil && o.rare.losses > 1 && o.rare.lostAt == o.acknowledged
}

// forgetLosses ends the suspicion when an owner has acknowledged the bytes. The caller holds mu.
func (o *owner) forgetLosses() {
	if o.rare == nil || o.rare.losses == 0 || o.rare.lostAt == o.acknowledged {
		return
	}
	o.rare.losses = 0
	o.handler.quarantine.leave(o)
	o.handler.watches.tidy(o)
}

// enter reports whether the connection's bytes may be delivered. Otherwise they are when its turn comes. The caller
// holds the owner's mu.
func (q *quarantine) enter(o *owner) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch q.out {
	case o:
		return true
	case nil:
		q.out, q.since = o, o.handler.table.now.Load()
		return true
	}
	if !o.has(flagSuspect) {
		o.flags |= flagSuspect
		q.waiting = append(q.waiting, o)
	}
	return false
}

// leave ends the connection's turn. The caller holds the owner's mu. The table's goroutine gives the turn to the next
// one, which has a lock of its own.
func (q *quarantine) leave(o *owner) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.out == o {
		q.out = nil
		signal(o.handler.table.turns)
	}
}

// admit gives the turn to the next connection that wants it, if nobody has it.
func (q *quarantine) admit() {
	for q.admitOne() {
	}
}

// admitOne wakes the next connection. It returns true if that one wants the turn no more, and others may wait.
func (q *quarantine) admitOne() (more bool) {
	q.mu.Lock()
	if q.out != nil || len(q.waiting) == 0 {
		q.mu.Unlock()
		return false
	}
	o := q.waiting[0]
	q.waiting[0] = nil
	if q.waiting = q.waiting[1:]; len(q.waiting) == 0 {
		q.waiting = nil
	}
	q.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	wants := o.has(flagSuspect) && o.lane != nil && !o.has(flagClosed|flagFailed)
	o.flags &^= flagSuspect
	o.news()
	return !wants
}

// tick takes the turn from a connection that has kept others waiting for too long.
func (q *quarantine) tick(now int64) {
	q.mu.Lock()
	if q.out != nil && len(q.waiting) > 0 && now-q.since > int64(patience) {
		q.out = nil
	}
	q.mu.Unlock()
	q.admit()
}
