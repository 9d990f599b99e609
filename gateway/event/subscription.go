package event

import (
	"context"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"
)

// scanLimit bounds how many events one hold of the log's lock passes over, so that a subscriber that wants few types
// does not keep the publisher waiting.
const scanLimit = 1024

// Options says what a subscription delivers.
type Options struct {
	// After resumes behind this cursor: "" means only what happens from now on, "0" from the oldest event kept, else what
	// Cursor.String wrote.
	After string
	// Types are the types to deliver; the zero value means all. Gap is always delivered.
	Types Types
	// Match, when it is not nil, selects events; it is called from Next, without a lock.
	Match func(*Event) bool
	// MaxData, when it is positive, also delivers Data events with at most so many bytes of each read.
	MaxData int
}

// CursorError says that a cursor cannot be used with this log.
type CursorError struct{ Text string }

// Error returns the sentence.
func (e *CursorError) Error() string { return e.Text }

// Subscription reads a log at its own position. It is for one goroutine at a time.
type Subscription struct {
	log     *Log
	options Options
	pos     uint64 // sequence of the last event delivered or passed over
	dataPos uint64 // the same for Data events
	pending []Event
	behind  Cursor        // the position before the first of pending
	woken   chan struct{} // capacity 1
	waiting bool          // in log.waiting; guarded by log.mu
	// parkedAt is how much was published when it began to wait.
	parkedAt uint64
	closed   bool
}

// Subscribe returns a subscription. The error is a *CursorError. The caller must Close it.
func (l *Log) Subscribe(o Options) (*Subscription, error) {
	o.MaxData = min(max(o.MaxData, 0), math.MaxInt32)
	if !o.Types.Has(Data) {
		o.MaxData = 0
	}
	s := &Subscription{log: l, options: o, woken: make(chan struct{}, 1)}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := s.place(); err != nil {
		return nil, err
	}
	s.dataPos = l.data.head
	if o.MaxData > 0 {
		l.dataTaps.Add(1)
		if int32(o.MaxData) > l.dataMax.Load() {
			l.dataMax.Store(int32(o.MaxData))
		}
	}
	l.streams.Add(1)
	return s, nil
}

// place sets the position from Options.After, with a Gap pending where the cursor cannot be honoured.
func (s *Subscription) place() error {
	l := s.log
	switch s.options.After {
	case "":
		s.pos = l.head
		return nil
	case "0":
		s.pos = l.oldest() - 1
		return nil
	}
	c, err := ParseCursor(s.options.After)
	if err != nil {
		return &CursorError{Text: err.Error()}
	}
	if c.Node != l.origin.Node {
		return &CursorError{Text: fmt.Sprintf("cursor %q is of node %q; this is node %q", s.options.After, c.Node, l.origin.Node)}
	}
	if c.Incarnation != l.origin.Incarnation {
		s.gap(GapDetail{Reason: GapRestarted, Requested: s.options.After})
		c.Sequence = 0 // and what was evicted of this incarnation is a gap of its own
	}
	if c.Sequence > l.head {
		return &CursorError{Text: fmt.Sprintf("cursor %q is ahead of the newest event, %s", s.options.After,
			strconv.FormatUint(l.head, 10))}
	}
	s.pos = c.Sequence
	if first := l.oldest(); s.pos+1 < first {
		s.gap(GapDetail{From: s.pos + 1, To: first - 1, Reason: GapEvicted, Requested: s.options.After})
		s.pos = first - 1
	}
	return nil
}

// gap adds a Gap to what Next delivers first. The caller holds log.mu.
func (s *Subscription) gap(d GapDetail) {
	if len(s.pending) == 0 {
		s.behind = Cursor{Origin: s.log.origin, Sequence: s.pos}
		if c, err := ParseCursor(d.Requested); err == nil {
			s.behind = c
		}
	}
	if d.To > 0 {
		s.log.missed.Add(d.To - d.From + 1)
	}
	s.pending = append(s.pending, Event{Type: Gap, Sequence: s.pos, Time: time.Now(), Detail: &d})
}

// Cursor returns the position behind what Next has delivered or passed over. It is never behind a Gap that was not delivered:
// who resumes there is told of it again.
func (s *Subscription) Cursor() Cursor {
	if len(s.pending) > 0 {
		return s.behind
	}
	return Cursor{Origin: s.log.origin, Sequence: s.pos}
}

// Next appends events to batch, up to its capacity (256 when it has none), in order, and returns it. It blocks until
// there is at least one. The error is ctx's when that ends first, and io.EOF when the log is closed and everything was
// delivered; nothing was appended then.
func (s *Subscription) Next(ctx context.Context, batch []Event) ([]Event, error) {
	batch = withRoom(batch)
	start := len(batch)
	for {
		batch, state := s.read(batch)
		switch {
		case len(batch) > start:
			return batch, nil
		case state == readEnded:
			return batch, io.EOF
		case state == readMore, !s.park():
			if err := ctx.Err(); err != nil {
				return batch, err
			}
			continue
		}
		select {
		case <-s.woken:
			s.log.passOn(s)
		case <-ctx.Done():
			s.log.passOn(s)
			return batch, ctx.Err()
		}
	}
}

// Poll is Next without waiting: it returns what is there now, perhaps nothing.
func (s *Subscription) Poll(batch []Event) []Event {
	batch = withRoom(batch)
	for {
		grown, state := s.read(batch)
		if len(grown) > len(batch) || state != readMore {
			return grown
		}
	}
}

func withRoom(batch []Event) []Event {
	if cap(batch) > len(batch) {
		return batch
	}
	return append(make([]Event, 0, len(batch)+256), batch...)
}

type readState int

const (
	readDry   readState = iota // nothing more is there
	readMore                   // the scan stopped at a bound
	readEnded                  // nothing more will come
)

// read copies events under the log's lock and then lets Match pick among them.
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

func (s *Subscription) copy(batch []Event) ([]Event, readState) {
	l := s.log
	l.mu.Lock()
	defer l.mu.Unlock()
	for scanned := 0; ; scanned++ {
		for len(s.pending) > 0 && len(batch) < cap(batch) {
			batch = append(batch, s.pending[0])
			s.pending = s.pending[1:]
		}
		if len(batch) == cap(batch) || scanned == scanLimit {
			return batch, readMore
		}
		e := s.step()
		if e != nil {
			batch = append(batch, *e)
			continue
		}
		if len(s.pending) == 0 && s.pos == l.head && s.dataDry() {
			if l.closed {
				return batch, readEnded
			}
			return batch, readDry
		}
	}
}

// step moves one event on and returns it when its type is wanted. Kept events go before the Data events that came after
// them. The caller holds log.mu.
func (s *Subscription) step() *Event {
	l := s.log
	if first := l.oldest(); s.pos+1 < first {
		s.gap(GapDetail{From: s.pos + 1, To: first - 1, Reason: GapOverrun})
		s.pos = first - 1
		return nil
	}
	if e := s.nextData(); e != nil && e.Sequence <= s.pos {
		s.dataPos++
		return s.truncated(e)
	}
	if len(s.pending) > 0 || s.pos == l.head {
		return nil
	}
	s.pos++
	if e := l.slot(s.pos); s.options.Types.Has(e.Type) {
		return e
	}
	return nil
}

func (s *Subscription) dataDry() bool {
	return s.options.MaxData <= 0 || s.dataPos == s.log.data.head
}

// nextData returns the next Data event, after a Gap when some were evicted unread.
func (s *Subscription) nextData() *Event {
	if s.dataDry() {
		return nil
	}
	r := &s.log.data
	if s.dataPos < r.tail {
		s.gap(GapDetail{Reason: GapDataOverflow, DataEvents: r.tail - s.dataPos})
		s.dataPos = r.tail
		return nil
	}
	return r.slot(s.dataPos + 1)
}

// truncated returns e with no more bytes than this subscription asked for.
func (s *Subscription) truncated(e *Event) *Event {
	d := e.Detail.(*DataDetail)
	if len(d.Bytes) <= s.options.MaxData {
		return e
	}
	short := *e
	short.Detail = &DataDetail{Bytes: d.Bytes[:s.options.MaxData], Total: d.Total}
	return &short
}

// park registers for the next wake, unless something has come meanwhile. Who parks must wait on woken, and then passOn.
func (s *Subscription) park() bool {
	l := s.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || s.pos != l.head || !s.dataDry() {
		return false
	}
	s.waiting, s.parkedAt = true, l.published()
	l.waiting = append(l.waiting, s)
	return true
}

// Close ends the subscription. Call it when no Next is under way; a second Close does nothing.
func (s *Subscription) Close() {
	l := s.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	l.streams.Add(-1)
	if s.options.MaxData > 0 && l.dataTaps.Add(-1) == 0 {
		l.dataMax.Store(0)
		l.data.reset()
	}
}
