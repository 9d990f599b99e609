package event

import (
	"sync"
	"sync/atomic"
)

// The bounds of the ring of Data events: whichever is reached first evicts the oldest.
const (
	dataSlots = 1024
	dataBytes = 4 << 20
)

// dataRing keeps the newest Data events apart from the others, so that payloads cannot push lifecycle events out of the
// log. It is bounded by count and by bytes. It has a lock of its own: who reads it keeps only those who publish Data waiting,
// while one event is copied.
type dataRing struct {
	head  atomic.Uint64 // number of the newest, from 1; written under mu
	mu    sync.Mutex
	slots []dataSlot // allocated with the first Data event
	tail  uint64     // number of the oldest kept, minus 1
	bytes int
}

type dataSlot struct {
	record
	sequence uint64 // of the kept event before it
}

func (r *dataRing) slot(n uint64) *dataSlot { return &r.slots[n%dataSlots] }

// append keeps a Data event. The caller holds the log's lock.
func (r *dataRing) append(e *Event, at int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.slots == nil {
		r.slots = make([]dataSlot, dataSlots)
	}
	head, size := r.head.Load(), len(e.Detail.(*DataDetail).Bytes)
	for head-r.tail == dataSlots || r.bytes+size > dataBytes && r.tail < head {
		r.tail++
		old := r.slot(r.tail)
		var evicted Event
		old.unpack(&evicted, 0)
		r.bytes -= len(evicted.Detail.(*DataDetail).Bytes)
		*old = dataSlot{}
	}
	r.bytes += size
	slot := r.slot(head + 1)
	slot.sequence = e.Sequence
	slot.pack(e, packDetail(e), at, 0)
	r.head.Store(head + 1)
}

// reset forgets every event. Positions go on, so that an old one is never taken for a new one.
func (r *dataRing) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.slots, r.tail, r.bytes = nil, r.head.Load(), 0
}

// Tapped reports whether any subscription wants Data events. It is what the data path asks before it does any work.
func (l *Log) Tapped() bool { return l.dataTaps.Load() > 0 }

// AppendData publishes received bytes to the subscriptions that asked for Data. It copies what they want of p and never
// blocks. Call it only when Tapped.
func (l *Log) AppendData(conn Info, p []byte) {
	keep := append([]byte(nil), p[:min(len(p), int(l.dataMax.Load()))]...)
	e := Event{Type: Data, Conn: conn, Detail: &DataDetail{Bytes: keep, Total: len(p)}}
	if l.keepData(&e) {
		l.announce()
	}
}

// keepData keeps a Data event behind the newest other one. With mu held, who finds a kept event also finds the Data before it.
func (l *Log) keepData(e *Event) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed.Load() || !l.Tapped() {
		return false
	}
	e.Sequence = l.head.Load()
	l.data.append(e, l.now())
	return true
}
