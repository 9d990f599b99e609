package event_test

import (
	"fmt"
	"testing"

	"github.com/sockgate/sockgate/gateway/event"
)

// TestFork holds that a fork gets the same events as its subscription would, and is not counted as a stream.
func TestFork(t *testing.T) {
	l := newLog(256)
	s := subscribe(t, l, event.Options{MaxData: 2, Types: event.Types(0).With(event.Data).With(event.Closed)})
	l.AppendData(event.Connection{}, []byte("old"))
	fill(l, 1, event.Closed)
	drain(s)
	f := s.Fork()
	if l.Streams() != 1 || f.Position() != s.Position() {
		t.Errorf("%d streams; fork at %v of %v", l.Streams(), f.Position(), s.Position())
	}
	s.Close()
	l.AppendData(event.Connection{}, []byte("hello"))
	fill(l, 1, event.Ended)
	fill(l, 1, event.Closed)
	if got := fmt.Sprint(data(drain(f))); got != "[he/5 CLOSED]" {
		t.Errorf("the fork got %s", got)
	}
	f.Close()
	if l.Streams() != 0 || l.Tapped() {
		t.Errorf("%d streams, tapped %t after both closed", l.Streams(), l.Tapped())
	}
}

// TestAdvance holds that a subscription continues from the position of its fork, and that its Advance counts missed
// events.
func TestAdvance(t *testing.T) {
	l := newLog(256)
	s := subscribe(t, l, event.Options{MaxData: 9})
	f := s.Fork()
	defer f.Close()
	fill(l, 300, event.Ended)
	l.AppendData(event.Connection{}, []byte("a"))
	at := s.Position()
	events := f.Poll(make([]event.Event, 0, 1000))
	for i := range events {
		at = at.Behind(&events[i])
	}
	if at != f.Position() || !f.Position().Covers(s.Position()) || s.Position().Covers(f.Position()) {
		t.Errorf("behind %d events, the first %v: at %v; the fork is at %v", len(events), events[0], at, f.Position())
	}
	if l.Missed() != 0 {
		t.Errorf("the fork counted %d", l.Missed())
	}
	s.Advance(at, 44)
	if l.Missed() != 44 || s.Cursor() != f.Cursor() || s.Cursor() != at.Cursor(origin) {
		t.Errorf("%d missed; at %s, the fork at %s", l.Missed(), s.Cursor(), f.Cursor())
	}
	l.AppendData(event.Connection{}, []byte("b"))
	fill(l, 1, event.Closed)
	if got := fmt.Sprint(data(drain(s))); got != "[b/1 CLOSED]" {
		t.Errorf("got %s", got)
	}
}

// TestPositionBeforeGap holds that a position stays before a gap until the gap is delivered.
func TestPositionBeforeGap(t *testing.T) {
	l := newLog(256)
	s := subscribe(t, l, event.Options{MaxData: 9})
	fill(l, 1, event.Ended)
	at := s.Position().Behind(&s.Poll(make([]event.Event, 0, 1))[0])
	if s.Position() != at {
		t.Errorf("at %v; expected %v", s.Position(), at)
	}
	for range 2000 {
		l.AppendData(event.Connection{}, []byte("x"))
	}
	for range 3 {
		batch := s.Poll(make([]event.Event, 0, 1))
		at = at.Behind(&batch[0])
		if s.Position() != at {
			t.Errorf("behind %v at %v; expected %v", batch[0], s.Position(), at)
		}
	}
}
