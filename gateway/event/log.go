package event

import (
	"sync"
	"sync/atomic"
	"time"
)

// Log is a node's event log: a ring of the newest events. Any goroutine may call its methods, and no method waits for a
// subscriber. Subscriptions read kept events without a lock. Make a Log with NewLog: the zero value cannot be used.
type Log struct {
	// Lock order: docs/locks.md.

	origin  Origin
	started time.Time // when the log began, by both clocks
	began   int64     // the same in unix nanoseconds
	ring    ring
	_       [cacheLine]byte

	mu     sync.Mutex    // held to publish, and to begin or end a subscription
	live   uint64        // connections live after the newest event; guarded by mu
	head   atomic.Uint64 // sequence of the newest event; 0 without one; written under mu, after the event itself
	closed atomic.Bool   // written under mu; a reader that sees it set finds every event that the log will ever have
	_      [cacheLine]byte

	data     dataRing
	sleepers sleepers

	dataTaps atomic.Int32  // subscriptions that want Data
	dataMax  atomic.Int32  // most bytes of a read that any of them wants
	streams  atomic.Int32  // open subscriptions, forks not counted
	missed   atomic.Uint64 // kept events that a Gap reported as missing
}

// NewLog returns an empty log that keeps the newest size events. Size is rounded up to a multiple of 256, and at least
// 256. An event takes 88 bytes on a 64-bit system, besides the identity, labels and detail that it refers to. The log
// allocates memory for 256 events at a time, when it first needs it.
func NewLog(origin Origin, size int) *Log {
	now := time.Now()
	segments := max(1, (size+segmentSize-1)/segmentSize)
	return &Log{origin: origin, started: now, began: now.UnixNano(), ring: newRing(segments)}
}

// Origin returns the node and the incarnation that the log belongs to.
func (l *Log) Origin() Origin { return l.origin }

// Size returns the most events that the log keeps, Data not counted.
func (l *Log) Size() int { return int(l.ring.size()) }

// Append keeps a copy of e and returns its sequence. In the copy it sets Sequence, Time (when it is zero) and, for
// Connected and Closed, Connections. It counts connections under the log's lock, so that the counts are exact in the
// order of the events. It never waits for a subscriber. After Close it keeps nothing and returns 0. For the event
// itself it allocates only when the connection has a CloseText, a ClosedBy, an Instance, or unsent, discarded or
// unacknowledged bytes. Data, Present, SnapshotComplete and Gap have no place in a log: AppendData takes received
// bytes, and the others belong to one stream.
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

// timeOf returns the event's time, or else the current time. It computes this as the start of the log plus the time
// since, because one reading of the monotonic clock costs half of a time.Now.
func (l *Log) timeOf(e *Event) int64 {
	if e.Time.IsZero() {
		return l.now()
	}
	return e.Time.UnixNano()
}

func (l *Log) now() int64 { return l.began + int64(time.Since(l.started)) }

// count returns how many connections are live after e. The caller holds mu.
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

// oldest returns the sequence of the oldest kept event when head is the newest; head+1 when there is none.
func (l *Log) oldest(head uint64) uint64 {
	if size := l.ring.size(); head > size {
		return head - size + 1
	}
	return 1
}

// Head returns the position of the newest event; its Sequence is 0 before the first.
func (l *Log) Head() Cursor { return Cursor{Origin: l.origin, Sequence: l.head.Load()} }

// Oldest returns the sequence of the oldest kept event; 0 when there is none.
func (l *Log) Oldest() uint64 {
	head := l.head.Load()
	if head == 0 {
		return 0
	}
	return l.oldest(head)
}

// Streams returns how many subscriptions are open, forks not counted.
func (l *Log) Streams() int { return int(l.streams.Load()) }

// Missed returns the number of kept events that subscriptions did not get, added up over all of them. A Gap told each
// of them so.
func (l *Log) Missed() uint64 { return l.missed.Load() }

// Close ends the log and does not block. Subscriptions deliver the remaining events and then io.EOF. Later events are
// dropped. A second Close does nothing.
func (l *Log) Close() {
	l.mu.Lock()
	l.closed.Store(true)
	l.mu.Unlock()
	l.sleepers.mu.Lock()
	defer l.sleepers.mu.Unlock()
	l.wake(len(l.sleepers.waiting))
}
