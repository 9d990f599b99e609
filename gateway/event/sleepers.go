package event

import (
	"slices"
	"sync"
	"sync/atomic"
)

// sleepers are the subscriptions that wait for a new event. A publisher wakes one of them. Each woken subscription
// wakes two more when it runs: a wave. During a wave publishers wake none, because the wave reaches every subscription
// that has not seen all events. So the cost of publishing does not grow with the number of subscriptions.
type sleepers struct {
	// due says that a subscription waits and no wave is under way. A publisher reads it after each event, and begins a
	// wave if it is set. No wake is lost: a subscription that goes to sleep sets due first, and then looks once more for a
	// new event.
	due atomic.Bool

	mu      sync.Mutex
	waiting []*Subscription // in the order in which they began to wait
	woken   int             // subscriptions that were woken and have not passed the wave on
}

// announce begins a wave when one is due. A publisher calls it after its event can be read.
func (l *Log) announce() {
	if !l.sleepers.due.Load() {
		return
	}
	l.sleepers.mu.Lock()
	defer l.sleepers.mu.Unlock()
	l.wake(1)
}

// wake wakes up to n of the waiting subscriptions, the longest waiting first. It stops at the first that has seen every
// event. The caller holds sleepers.mu.
func (l *Log) wake(n int) {
	s := &l.sleepers
	defer s.settle()
	for ; n > 0 && len(s.waiting) > 0; n-- {
		first := s.waiting[0]
		if first.parkedAt == l.published() && !l.closed.Load() {
			return // it has seen every event, and so have all that began to wait later
		}
		s.waiting[0] = nil
		s.waiting = s.waiting[1:]
		s.woken++
		first.waiting = false
		first.woken <- struct{}{} // does not block: one token each time in waiting, and passOn takes it
	}
}

// settle brings due up to date. The caller holds sleepers.mu.
func (s *sleepers) settle() { s.due.Store(s.woken == 0 && len(s.waiting) > 0) }

// park puts a subscription among the sleepers and returns true; false when an event has come meanwhile. After true, the
// caller must wait on woken and call passOn.
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

// leave takes a subscription out of the sleepers. The caller holds sleepers.mu.
func (l *Log) leave(s *Subscription) {
	waiting := &l.sleepers.waiting
	i := slices.Index(*waiting, s)
	*waiting = slices.Delete(*waiting, i, i+1)
	l.sleepers.settle()
}

// passOn ends a wait after a wake, and after a caller that gave up. A woken subscription wakes two more, so that a wave
// never ends with a subscription that gave up.
func (l *Log) passOn(s *Subscription) {
	l.sleepers.mu.Lock()
	defer l.sleepers.mu.Unlock()
	if s.waiting { // it gave up
		s.waiting = false
		l.leave(s)
		return
	}
	select {
	case <-s.woken: // it gave up, and was woken at the same time
	default:
	}
	l.sleepers.woken--
	l.sleepers.settle() // before wake looks for new events: a later event then begins a wave of its own
	l.wake(2)
}

// published returns the number of events that were ever published, Data included.
func (l *Log) published() uint64 { return l.head.Load() + l.data.head.Load() }
