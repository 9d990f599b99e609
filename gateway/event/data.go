package event

import (
	"sync"
	"sync/atomic"
)

// The bounds of the ring of Data events. The bound that is reached first evicts the oldest event.
const (
	dataSlots = 1024
	dataBytes = 4 << 20
)

// dataRing keeps the newest Data events apart from the others, so that payloads cannot push lifecycle events out of the
// log. Its bounds are a count and a number of bytes. It has its own lock, so that a reader holds up only publishers of
// Data, and only while it copies one event.
type dataRing struct {
	head  atomic.Uint64 // number of the newest, from 1; written under mu
	mu    sync.Mutex
	slots []dataSlot // allocated with the first Data event
	tail  uint64     // number of the oldest kept, minus 1
	bytes int
}

type dataSlot struct {
	record
	sequence uint64 // sequence of the newest kept event before it
}

func (r *dataRing) slot(n uint64) *dataSlot { return &r.slots[n%dataSlots] }

// append keeps a Data event and evicts the oldest that are over the bounds. The caller holds the log's lock.
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

// reset drops every event. Numbers go on, so that no old position is taken for a new one.
func (r *dataRing) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.slots, r.tail, r.bytes = nil, r.head.Load(), 0
}

// Tapped reports whether any subscription wants Data events. The data path asks it before any work. It costs one atomic
// read.
func (l *Log) Tapped() bool { return l.dataTaps.Load() > 0 }

// AppendData publishes received bytes to the subscriptions that want Data. It copies the first bytes of p, up to the
// largest Options.MaxData of these subscriptions, and does not wait for a subscriber. Call it only when Tapped;
// otherwise it drops the event.
func (l *Log) AppendData(conn Connection, p []byte) {
	keep := append([]byte(nil), p[:min(len(p), int(l.dataMax.Load()))]...)
	e := Event{Type: Data, Conn: conn, Detail: &DataDetail{Bytes: keep, Total: len(p)}}
	if l.keepData(&e) {
		l.announce()
	}
}

// keepData keeps a Data event with the sequence of the newest kept one. It holds mu, so that a reader that finds a kept
// event also finds the Data before it.
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
