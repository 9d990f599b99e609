package event

import (
	"slices"
	"sync"
	"sync/atomic"
)

// sleepers are the subscriptions that wait for something new. A publisher wakes one of them, and each that was woken wakes two
// more when it runs: a wave. While a wave is under way publishers wake nobody, because the wave comes to all that have not
// seen everything; so what publishing costs does not grow with their number.
type sleepers struct {
	// due says that somebody waits and no wave is under way. Who has published looks at it, and begins a wave when it is set.
	// It is set before anybody relies on it: who goes to sleep sets it and then looks once more whether something has come.
	due atomic.Bool

	mu      sync.Mutex
	waiting []*Subscription // in the order in which they began
	woken   int             // how many were woken and have not passed the wave on
}

// announce begins a wave when one is due. Call it after something was published.
func (l *Log) announce() {
	if !l.sleepers.due.Load() {
		return
	}
	l.sleepers.mu.Lock()
	defer l.sleepers.mu.Unlock()
	l.wake(1)
}

// wake wakes n of the subscriptions that wait, the longest waiting first, as far as something has come since they began. The
// caller holds sleepers.mu.
func (l *Log) wake(n int) {
	s := &l.sleepers
	defer s.settle()
	for ; n > 0 && len(s.waiting) > 0; n-- {
		first := s.waiting[0]
		if first.parkedAt == l.published() && !l.closed.Load() {
			return // it has seen everything, and so have those behind it
		}
		s.waiting[0] = nil
		s.waiting = s.waiting[1:]
		s.woken++
		first.waiting = false
		first.woken <- struct{}{} // has room: one token for each time in waiting, and passOn takes it
	}
}

// settle sets due. The caller holds sleepers.mu.
func (s *sleepers) settle() { s.due.Store(s.woken == 0 && len(s.waiting) > 0) }

// park puts a subscription among those that wait, unless something has come meanwhile. Who parks must wait on woken, and then
// pass on.
func (l *Log) park(s *Subscription) bool {
	l.sleepers.mu.Lock()
	defer l.sleepers.mu.Unlock()
	s.parkedAt = l.published()
	l.sleepers.waiting = append(l.sleepers.waiting, s)
	l.sleepers.settle()
	if l.closed.Load() || s.pos != l.head.Load() || !s.dataDry() {
		l.leave(s)
		return false
	}
	s.waiting = true
	return true
}

// leave takes a subscription away from those that wait. The caller holds sleepers.mu.
func (l *Log) leave(s *Subscription) {
	waiting := &l.sleepers.waiting
	i := slices.Index(*waiting, s)
	*waiting = slices.Delete(*waiting, i, i+1)
	l.sleepers.settle()
}

// passOn is called by a subscription that waited, whether it was woken or gave up: it leaves, and if it was woken, it wakes two
// more, so that a wave is never lost with the one that got it.
func (l *Log) passOn(s *Subscription) {
	l.sleepers.mu.Lock()
	defer l.sleepers.mu.Unlock()
	if s.waiting { // gave up
		s.waiting = false
		l.leave(s)
		return
	}
	select {
	case <-s.woken: // gave up, and was woken at the same time
	default:
	}
	l.sleepers.woken--
	l.sleepers.settle() // before wake looks whether something has come: what comes later begins a wave
	l.wake(2)
}

// published counts what was ever published, Data included.
func (l *Log) published() uint64 { return l.head.Load() + l.data.head.Load() }
