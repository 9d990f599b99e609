package event

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// segmentSize is how many events a segment of the ring has. Segments are allocated when they are first written, so that
// a quiet gateway does not pay for the whole ring.
const segmentSize = 256

// Log is a node's event log: a ring of the newest events. All methods may be called from any goroutine; none waits for a
// subscriber.
//
// Lock order: Log.mu is the last lock; nothing else is locked while it is held.
type Log struct {
	origin Origin

	mu      sync.Mutex
	ring    []*[segmentSize]Event
	head    uint64          // sequence of the newest event; 0 when there is none
	live    uint64          // connections live after the newest event
	waiting []*Subscription // in the order in which they began
	closed  bool
	data    dataRing

	dataTaps atomic.Int32  // subscriptions that want Data
	dataMax  atomic.Int32  // the most bytes that any of them wants of a read
	streams  atomic.Int32  // open subscriptions
	missed   atomic.Uint64 // kept events that subscriptions were told they missed
}

// NewLog returns an empty log that keeps the newest size events, rounded up to a multiple of 256; at least 256.
func NewLog(origin Origin, size int) *Log {
	segments := max(1, (size+segmentSize-1)/segmentSize)
	return &Log{origin: origin, ring: make([]*[segmentSize]Event, segments)}
}

// Origin returns the node and incarnation whose events the log has.
func (l *Log) Origin() Origin { return l.origin }

// Size returns how many events the log keeps.
func (l *Log) Size() int { return len(l.ring) * segmentSize }

// Append keeps a copy of e and returns its sequence. It stamps Sequence, Time (when it is zero) and, for Connected and
// Closed, Connections: counted under the log's lock, so that the counts are exact in the order of the events. It never
// blocks. After Close it keeps nothing and returns 0.
func (l *Log) Append(e *Event) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return 0
	}
	l.head++
	slot := l.slot(l.head)
	*slot = *e
	slot.Sequence = l.head
	if slot.Time.IsZero() {
		slot.Time = time.Now()
	}
	switch e.Type {
	case Connected:
		l.live++
		slot.Connections = l.live
	case Closed:
		l.live--
		slot.Connections = l.live
	}
	l.wake(1)
	return l.head
}

// slot returns the place of a sequence in the ring. The caller holds mu.
func (l *Log) slot(sequence uint64) *Event {
	i := sequence % uint64(l.Size())
	segment := &l.ring[i/segmentSize]
	if *segment == nil {
		*segment = new([segmentSize]Event)
	}
	return &(*segment)[i%segmentSize]
}

// oldest returns the sequence of the oldest event kept; head+1 when there is none. The caller holds mu.
func (l *Log) oldest() uint64 {
	if size := uint64(l.Size()); l.head > size {
		return l.head - size + 1
	}
	return 1
}

// wake tells n of the subscriptions that wait, the longest waiting first, as far as something has come since they began. Each
// of them tells two more when it runs (passOn), so that the publisher's part does not grow with their number. The caller holds
// mu.
func (l *Log) wake(n int) {
	for ; n > 0 && len(l.waiting) > 0; n-- {
		s := l.waiting[0]
		if s.parkedAt == l.published() && !l.closed {
			return // it has seen everything, and so have those behind it
		}
		l.waiting[0] = nil
		l.waiting = l.waiting[1:]
		s.waiting = false
		s.woken <- struct{}{} // has room: one token for each time in waiting, and passOn takes it
	}
}

// published counts what was ever published, Data included. The caller holds mu.
func (l *Log) published() uint64 { return l.head + l.data.head }

// passOn is called by a subscription that waited, whether it was woken or gave up: it leaves the list, and if it was woken, it
// wakes two more, so that a wake is never lost with the one that got it.
func (l *Log) passOn(s *Subscription) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.waiting { // gave up
		s.waiting = false
		i := slices.Index(l.waiting, s)
		l.waiting = slices.Delete(l.waiting, i, i+1)
		return
	}
	select {
	case <-s.woken: // gave up, and was woken at the same time
	default:
	}
	l.wake(2)
}

// Head returns the position of the newest event.
func (l *Log) Head() Cursor {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Cursor{Origin: l.origin, Sequence: l.head}
}

// Oldest returns the sequence of the oldest event kept; 0 when there is none.
func (l *Log) Oldest() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.head == 0 {
		return 0
	}
	return l.oldest()
}

// Streams returns how many subscriptions are open.
func (l *Log) Streams() int { return int(l.streams.Load()) }

// Missed returns how many kept events subscriptions did not get, and were told so by a Gap.
func (l *Log) Missed() uint64 { return l.missed.Load() }

// Close ends the log: subscriptions deliver what is left and then io.EOF. A second Close does nothing.
func (l *Log) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.wake(len(l.waiting))
}
