package event

// scanLimit is the most events that one read examines, so that a subscriber of few types looks at its context now and
// then.
const scanLimit = 1024

type readState int

const (
	readDry   readState = iota // no event is left for now
	readMore                   // the read stopped at a bound
	readEnded                  // no event is left, and none will come
)

// read copies events out of the log, and keeps those that Match selects and every Gap.
func (s *Subscription) read(batch []Event) ([]Event, readState) {
	start := len(batch)
	batch, state := s.copy(batch)
	if s.options.Match == nil {
		return batch, state
	}
	kept := batch[:start]
	for i := start; i < len(batch); i++ {
		if e := &batch[i]; e.Type == Gap || s.options.Match(e) {
			kept = append(kept, *e)
		}
	}
	clear(batch[len(kept):])
	return kept, state
}

// copy merges kept events and Data. Each Data event comes right after the kept event that it followed.
func (s *Subscription) copy(batch []Event) ([]Event, readState) {
	l := s.log
	for from := s.pos; ; {
		for len(s.pending) > 0 && len(batch) < cap(batch) {
			batch = append(batch, s.pending[0])
			s.pending = s.pending[1:]
		}
		if len(batch) == cap(batch) || s.pos-from >= scanLimit {
			return batch, readMore
		}
		closed := l.closed.Load() // read before head: the head of a closed log is final
		head := l.head.Load()     // read before the Data: all Data before head is there once head is seen
		if first := l.oldest(head); s.pos+1 < first {
			s.gap(GapDetail{From: s.pos + 1, To: first - 1, Reason: GapOverrun})
			s.pos = first - 1
			continue
		}
		upTo, dry := min(head, from+scanLimit), true
		if s.options.MaxData > 0 {
			if upTo, dry = s.copyData(&batch, upTo); upTo == s.pos && !dry {
				continue
			}
		}
		if s.pos < upTo {
			batch = s.copyKept(batch, upTo)
			continue
		}
		if s.pos == head && dry {
			if closed {
				return batch, readEnded
			}
			return batch, readDry
		}
	}
}

// copyKept copies events up to a sequence, the end of their segment, or the capacity of batch.
func (s *Subscription) copyKept(batch []Event, upTo uint64) []Event {
	segment := s.log.ring.hold(s.pos + 1)
	if segment == nil {
		return batch // the ring went round meanwhile
	}
	defer segment.release()
	upTo = min(upTo, segment.base+segmentSize-1)
	for s.pos < upTo && len(batch) < cap(batch) {
		s.pos++
		if r := segment.at(s.pos); s.options.Types.Has(r.kind) {
			batch = batch[:len(batch)+1]
			r.unpack(&batch[len(batch)-1], s.pos)
		}
	}
	return batch
}

// copyData adds the next Data event if its place is here, or a Gap if some were evicted unread. It returns how far kept
// events may be copied before the next call, and whether no Data is left.
func (s *Subscription) copyData(batch *[]Event, upTo uint64) (uint64, bool) {
	if s.dataDry() {
		return upTo, true
	}
	r := &s.log.data
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.dataPos < r.tail {
		s.gap(GapDetail{Reason: GapDataOverflow, DataEvents: r.tail - s.dataPos})
		s.dataPos = r.tail
		return s.pos, false
	}
	slot := r.slot(s.dataPos + 1)
	if slot.sequence > s.pos {
		return min(upTo, slot.sequence), false
	}
	s.dataPos++
	*batch = (*batch)[:len(*batch)+1]
	e := &(*batch)[len(*batch)-1]
	slot.unpack(e, slot.sequence)
	e.number = s.dataPos
	e.Detail = s.truncated(e.Detail.(*DataDetail))
	return s.pos, false
}

func (s *Subscription) dataDry() bool {
	return s.options.MaxData <= 0 || s.dataPos == s.log.data.head.Load()
}

// truncated returns d with at most MaxData bytes. The ring keeps as many as the most demanding subscription wants.
func (s *Subscription) truncated(d *DataDetail) *DataDetail {
	if len(d.Bytes) <= s.options.MaxData {
		return d
	}
	return &DataDetail{Bytes: d.Bytes[:s.options.MaxData], Total: d.Total}
}
