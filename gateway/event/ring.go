package event

import "sync/atomic"

// segmentSize is how many events a segment has. Segments are allocated when they are first written, so that a quiet
// gateway does not pay for the whole ring.
const segmentSize = 256

// ring keeps the newest events in segments. The publisher fills the newest segment under the log's lock. A published
// event does not change as long as its segment is in the ring, so readers need no lock. When the ring has gone round,
// the oldest segment leaves it. The segment is used again if no reader holds it, and is left to the garbage collector
// otherwise. The ring has one segment more than the log's size needs, so that the events of a leaving segment already
// count as evicted.
type ring struct {
	places  []atomic.Pointer[segment]
	current *segment // the newest; belongs to the publisher
}

// segment is a part of the ring.
type segment struct {
	base    uint64 // sequence of the first record
	records [segmentSize]record
	_       [cacheLine]byte
	readers atomic.Int32 // number of subscriptions that hold it
}

// cacheLine is the padding between fields that the publisher writes and fields that readers write, in bytes.
const cacheLine = 64

func newRing(segments int) ring { return ring{places: make([]atomic.Pointer[segment], segments+1)} }

// size returns how many events the ring keeps.
func (r *ring) size() uint64 { return uint64(len(r.places)-1) * segmentSize }

func (r *ring) place(sequence uint64) *atomic.Pointer[segment] {
	return &r.places[(sequence-1)/segmentSize%uint64(len(r.places))]
}

// slot returns the record for the event with the next sequence. Only the publisher calls it.
func (r *ring) slot(sequence uint64) *record {
	i := (sequence - 1) % segmentSize
	if i == 0 {
		r.turn(sequence)
	}
	return &r.current.records[i]
}

// turn puts an empty segment in place for the events from a sequence on.
func (r *ring) turn(sequence uint64) {
	place := r.place(sequence)
	s := place.Swap(nil)
	if s == nil || s.readers.Load() > 0 {
		s = new(segment)
	}
	s.base = sequence
	r.current = s
	place.Store(s)
}

// hold returns the segment of a published event, and keeps it from being used again before its release. It returns nil
// when the event is not kept any more.
func (r *ring) hold(sequence uint64) *segment {
	place := r.place(sequence)
	s := place.Load()
	if s == nil {
		return nil
	}
	s.readers.Add(1)
	// The segment may have left its place, and even be in use again, before it was held.
	if place.Load() == s && s.base == sequence-(sequence-1)%segmentSize {
		return s
	}
	s.release()
	return nil
}

func (s *segment) release() { s.readers.Add(-1) }

// at returns the record of one of the segment's events.
func (s *segment) at(sequence uint64) *record { return &s.records[sequence-s.base] }
