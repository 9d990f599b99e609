package event

import (
	"sync"
	"sync/atomic"
	"time"
)

// Log is a node's event log: a ring of the newest events. All methods may be called from any goroutine; none waits for a
// subscriber. Subscriptions read kept events without a lock.
//
// Lock order: Log.mu, then that of the Data ring; sleepers.mu is never held together with them. These are the last locks:
// nothing else is locked while one is held.
type Log struct {
	origin  Origin
	started time.Time // when the log began, by both clocks
	began   int64     // the same in unix nanoseconds
	ring    ring
	_       [cacheLine]byte

	mu     sync.Mutex    // held to publish, and to begin and end a subscription
	live   uint64        // connections live after the newest event; guarded by mu
	head   atomic.Uint64 // sequence of the newest event, 0 when there is none; written under mu, behind the event
	closed atomic.Bool   // written under mu; set before a reader finds the last event, nothing comes behind that
	_      [cacheLine]byte

	data     dataRing
	sleepers sleepers

	dataTaps atomic.Int32  // subscriptions that want Data
	dataMax  atomic.Int32  // the most bytes that any of them wants of a read
	streams  atomic.Int32  // open subscriptions, forks not counted
	missed   atomic.Uint64 // kept events that subscriptions were told they missed
}

// NewLog returns an empty log that keeps the newest size events, rounded up to a multiple of 256; at least 256.
func NewLog(origin Origin, size int) *Log {
	now := time.Now()
	return &Log{origin: origin, started: now, began: now.UnixNano(), ring: newRing(max(1, (size+segmentSize-1)/segmentSize))}
}

// Origin returns the node and incarnation whose events the log has.
func (l *Log) Origin() Origin { return l.origin }

// Size returns how many events the log keeps.
func (l *Log) Size() int { return int(l.ring.size()) }

// Append keeps a copy of e and returns its sequence. It stamps Sequence, Time (when it is zero) and, for Connected and
// Closed, Connections: counted under the log's lock, so that the counts are exact in the order of the events. It never
// blocks. After Close it keeps nothing and returns 0. It allocates only for an event whose connection has a close text, an
// actor, or unsent or discarded bytes.
func (l *Log) Append(e *Event) uint64 {
	detail := packDetail(e)
	l.mu.Lock()
	if l.closed.Load() {
		l.mu.Unlock()
		return 0
	}
	sequence := l.head.Load() + 1
	l.ring.slot(sequence).pack(e, detail, l.timeOf(e), l.count(e))
	l.head.Store(sequence)
	l.mu.Unlock()
	l.announce()
	return sequence
}

// timeOf returns the event's time, or now. One reading of the monotonic clock is half the price of time.Now: it is added to
// when the log began.
func (l *Log) timeOf(e *Event) int64 {
	if e.Time.IsZero() {
		return l.now()
	}
	return e.Time.UnixNano()
}

func (l *Log) now() int64 { return l.began + int64(time.Since(l.started)) }

// count returns how many connections are live behind e. The caller holds mu.
func (l *Log) count(e *Event) uint64 {
	switch e.Type {
	case Connected:
		l.live++
	case Closed:
		l.live--
	default:
		return e.Connections
	}
	return l.live
}

// oldest returns the sequence of the oldest event kept when head is the newest; head+1 when there is none.
func (l *Log) oldest(head uint64) uint64 {
	if size := l.ring.size(); head > size {
		return head - size + 1
	}
	return 1
}

// Head returns the position of the newest event.
func (l *Log) Head() Cursor { return Cursor{Origin: l.origin, Sequence: l.head.Load()} }

// Oldest returns the sequence of the oldest event kept; 0 when there is none.
func (l *Log) Oldest() uint64 {
	head := l.head.Load()
	if head == 0 {
		return 0
	}
	return l.oldest(head)
}

// Streams returns how many subscriptions are open; forks are not counted.
func (l *Log) Streams() int { return int(l.streams.Load()) }

// Missed returns how many kept events subscriptions did not get, and were told so by a Gap.
func (l *Log) Missed() uint64 { return l.missed.Load() }

// Close ends the log: subscriptions deliver what is left and then io.EOF. A second Close does nothing.
func (l *Log) Close() {
	l.mu.Lock()
	l.closed.Store(true)
	l.mu.Unlock()
	l.sleepers.mu.Lock()
	defer l.sleepers.mu.Unlock()
	l.wake(len(l.sleepers.waiting))
}
