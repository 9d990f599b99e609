package event

import "time"

// The bounds of the ring of Data events: whichever is reached first evicts the oldest.
const (
	dataSlots = 1024
	dataBytes = 4 << 20
)

// dataRing keeps the newest Data events apart from the others, so that payloads cannot push lifecycle events out of the
// log. It is bounded by count and by bytes.
type dataRing struct {
	slots []Event // allocated with the first Data event; Event.Sequence is that of the kept event before it
	head  uint64  // number of the newest, from 1
	tail  uint64  // number of the oldest kept, minus 1
	bytes int
}

func (r *dataRing) slot(n uint64) *Event { return &r.slots[n%dataSlots] }

func (r *dataRing) append(e Event, size int) {
	if r.slots == nil {
		r.slots = make([]Event, dataSlots)
	}
	for r.head-r.tail == dataSlots || r.bytes+size > dataBytes && r.tail < r.head {
		r.tail++
		old := r.slot(r.tail)
		r.bytes -= len(old.Detail.(*DataDetail).Bytes)
		*old = Event{}
	}
	r.head++
	r.bytes += size
	*r.slot(r.head) = e
}

// reset forgets every event. Positions go on, so that an old one is never taken for a new one.
func (r *dataRing) reset() { *r = dataRing{head: r.head, tail: r.head} }

// Tapped reports whether any subscription wants Data events. It is what the data path asks before it does any work.
func (l *Log) Tapped() bool { return l.dataTaps.Load() > 0 }

// AppendData publishes received bytes to the subscriptions that asked for Data. It copies what they want of p and never
// blocks. Call it only when Tapped.
func (l *Log) AppendData(conn Info, p []byte) {
	keep := append([]byte(nil), p[:min(len(p), int(l.dataMax.Load()))]...)
	e := Event{Type: Data, Time: time.Now(), Conn: conn, Detail: &DataDetail{Bytes: keep, Total: len(p)}}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || !l.Tapped() {
		return
	}
	e.Sequence = l.head
	l.data.append(e, len(keep))
	l.wake(1)
}
