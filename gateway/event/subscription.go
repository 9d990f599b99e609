package event

import (
	"context"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"
)

// Options select the events of a subscription. The zero value selects every kept event from now on.
type Options struct {
	// After is the position to start at. "" starts with the next event, "0" with the oldest kept one, and the text of a
	// Cursor with the event right after it.
	After string
	// Types are the types to deliver; the zero value means all. Gap is always delivered.
	Types Types
	// Match, when it is not nil, selects the events to deliver. Gap is always delivered. Next and Poll call it without a
	// lock. It must not keep the event, whose memory is used again.
	Match func(*Event) bool
	// MaxData, when it is positive, also selects Data events, with at most so many bytes of each read. It has no effect
	// when Types lacks Data. Values above 2^31-1 mean 2^31-1. The default selects no Data.
	MaxData int
}

// CursorError says that Options.After cannot be used with this log: it is no cursor, or of another node, or ahead of
// the newest event. Text is a sentence that quotes the cursor.
type CursorError struct{ Text string }

// Error returns Text.
func (e *CursorError) Error() string { return e.Text }

// Subscription reads a log at its own position. It is for one goroutine at a time; others may append to the log and
// close it meanwhile. An open Subscription holds no event back, and costs a few hundred bytes.
type Subscription struct {
	log      *Log
	options  Options
	pos      uint64 // sequence of the last event that was delivered or passed over
	dataPos  uint64 // number of the last such Data event
	pending  []Event
	behind   Cursor   // the position before the first of pending
	behindAt Position // the same for Position
	forked   bool
	closed   bool

	woken    chan struct{} // capacity 1
	waiting  bool          // whether it is among the log's sleepers; their lock guards it and parkedAt
	parkedAt uint64        // number of published events when it began to wait
}

// Subscribe returns a new subscription, which the caller must Close. It does not block. A cursor of an earlier
// incarnation or of an evicted event is not an error: the subscription starts with a Gap and goes on from the oldest
// kept event. The error is a *CursorError. On a closed log the subscription delivers the kept events, then io.EOF.
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

// tap makes the log keep Data if the subscription wants them. The caller holds log.mu.
func (s *Subscription) tap() {
	l, most := s.log, int32(s.options.MaxData)
	if most > 0 {
		l.dataTaps.Add(1)
		l.dataMax.Store(max(most, l.dataMax.Load()))
	}
}

// Fork returns a subscription with the same options at the same position, which the caller must Close. It lets one
// reader serve several subscriptions with equal options. A fork is not counted as a stream. Kept events that it misses
// are counted only by the Advance of each subscription that it serves. Every Gap of s must have been delivered. Call
// Fork from the goroutine that uses s; afterwards the two are independent.
func (s *Subscription) Fork() *Subscription {
	f := &Subscription{log: s.log, options: s.options, pos: s.pos, dataPos: s.dataPos, forked: true,
		woken: make(chan struct{}, 1)}
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	f.tap()
	return f
}

// place sets the position from Options.After. A Gap is pending where the log cannot honour the cursor. The caller holds
// log.mu.
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
		return &CursorError{Text: fmt.Sprintf("cursor %q is of node %q; this is node %q", s.options.After, c.Node,
			l.origin.Node)}
	}
	if c.Incarnation != l.origin.Incarnation {
		s.gap(GapDetail{Reason: GapRestarted, Requested: s.options.After})
		c.Sequence = 0 // events that were evicted from this incarnation make a second gap
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

// gap adds a Gap to the pending events, which Next delivers first.
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

// Cursor returns the position after the last event that Next delivered or passed over. A subscription that resumes
// there misses nothing, because the cursor stays before a Gap that is not delivered yet.
func (s *Subscription) Cursor() Cursor {
	if len(s.pending) > 0 {
		return s.behind
	}
	return Cursor{Origin: s.log.origin, Sequence: s.pos}
}

// Position returns the position of Cursor, Data included, for comparing subscriptions of one log.
func (s *Subscription) Position() Position {
	if len(s.pending) > 0 {
		return s.behindAt
	}
	return Position{kept: s.pos, data: s.dataPos}
}

// Advance moves s to a position that a fork of it has reached, and adds the kept events that the fork missed on the way
// to the log's Missed. It never moves s back. Every Gap of s must have been delivered.
func (s *Subscription) Advance(to Position, missed uint64) {
	s.pos, s.dataPos = max(s.pos, to.kept), max(s.dataPos, to.data)
	if missed > 0 {
		s.log.missed.Add(missed)
	}
}

// Next appends events to batch in order, up to its capacity, and returns it. It grows a batch without free capacity by
// 256. It blocks until there is at least one event. If an event is there, it returns the event even when ctx has ended.
// The error is ctx's, or io.EOF when the log is closed and everything was delivered. With an error no event was
// appended.
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

// Poll appends the events that are there now, as Next does, but does not wait. It may append none.
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

// Close ends the subscription. Call it when no Next is under way, because it does not wake one. A second Close does
// nothing.
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
