package event

import (
	"context"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"
)

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
	log      *Log
	options  Options
	pos      uint64 // sequence of the last event delivered or passed over
	dataPos  uint64 // the same for Data events
	pending  []Event
	behind   Cursor   // the position before the first of pending
	behindAt Position // the same
	forked   bool
	closed   bool

	woken    chan struct{} // capacity 1
	waiting  bool          // among the log's sleepers; guarded by their lock, as the next
	parkedAt uint64        // how much was published when it began to wait
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
	s.dataPos = l.data.head.Load()
	s.tap()
	l.streams.Add(1)
	return s, nil
}

// tap makes the log keep Data when the subscription wants it. The caller holds log.mu.
func (s *Subscription) tap() {
	l, most := s.log, int32(s.options.MaxData)
	if most > 0 {
		l.dataTaps.Add(1)
		l.dataMax.Store(max(most, l.dataMax.Load()))
	}
}

// Fork returns a subscription with the same options at the same position, behind which nothing may be pending. It is a part of
// what s is for: it is not counted as a stream, and what it misses is counted by those who pass its events on (Advance). The
// caller must Close it.
func (s *Subscription) Fork() *Subscription {
	f := &Subscription{log: s.log, options: s.options, pos: s.pos, dataPos: s.dataPos, forked: true, woken: make(chan struct{}, 1)}
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	f.tap()
	return f
}

// place sets the position from Options.After, with a Gap pending where the cursor cannot be honoured. The caller holds log.mu.
func (s *Subscription) place() error {
	l := s.log
	head := l.head.Load()
	switch s.options.After {
	case "":
		s.pos = head
		return nil
	case "0":
		s.pos = l.oldest(head) - 1
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
	if c.Sequence > head {
		return &CursorError{Text: fmt.Sprintf("cursor %q is ahead of the newest event, %s", s.options.After,
			strconv.FormatUint(head, 10))}
	}
	s.pos = c.Sequence
	if first := l.oldest(head); s.pos+1 < first {
		s.gap(GapDetail{From: s.pos + 1, To: first - 1, Reason: GapEvicted, Requested: s.options.After})
		s.pos = first - 1
	}
	return nil
}

// gap adds a Gap to what Next delivers first.
func (s *Subscription) gap(d GapDetail) {
	if len(s.pending) == 0 {
		s.behind, s.behindAt = Cursor{Origin: s.log.origin, Sequence: s.pos}, Position{kept: s.pos, data: s.dataPos}
		if c, err := ParseCursor(d.Requested); err == nil {
			s.behind = c
		}
	}
	if d.To > 0 && !s.forked {
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

// Position is Cursor for those who compare subscriptions.
func (s *Subscription) Position() Position {
	if len(s.pending) > 0 {
		return s.behindAt
	}
	return Position{kept: s.pos, data: s.dataPos}
}

// Advance moves a subscription behind which nothing is pending to a position that another one with the same options came to,
// and counts the kept events that were missed on the way.
func (s *Subscription) Advance(to Position, missed uint64) {
	s.pos, s.dataPos = max(s.pos, to.kept), max(s.dataPos, to.data)
	if missed > 0 {
		s.log.missed.Add(missed)
	}
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
		case state == readMore, !s.log.park(s):
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

// Close ends the subscription. Call it when no Next is under way; a second Close does nothing.
func (s *Subscription) Close() {
	l := s.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	if !s.forked {
		l.streams.Add(-1)
	}
	if s.options.MaxData > 0 && l.dataTaps.Add(-1) == 0 {
		l.dataMax.Store(0)
		l.data.reset()
	}
}
