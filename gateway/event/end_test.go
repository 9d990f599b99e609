package event_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"

	"github.com/sockgate/sockgate/gateway/event"
)

// TestCloseDrainsToEOF holds that a subscriber gets the events that are left after Close, and then io.EOF every time.
func TestCloseDrainsToEOF(t *testing.T) {
	l := newLog(256)
	s := subscribe(t, l, event.Options{MaxData: 10})
	fill(l, 5, event.Ended)
	l.AppendData(event.Connection{}, []byte("last"))
	l.Close()
	l.Close()
	if seq := l.Append(&event.Event{Type: event.Ended}); seq != 0 {
		t.Errorf("Append after Close returned %d; expected 0", seq)
	}
	var n int
	for {
		batch, err := s.Next(safety(t), make([]event.Event, 0, 2))
		n += len(batch)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if n != 6 {
		t.Errorf("%d events before io.EOF; expected 6", n)
	}
	if _, err := s.Next(safety(t), nil); !errors.Is(err, io.EOF) {
		t.Errorf("Next after the end: %v; expected io.EOF", err)
	}
}

// TestCloseWakes holds that Close wakes subscribers that wait.
func TestCloseWakes(t *testing.T) {
	l := newLog(256)
	var waiting sync.WaitGroup
	for range 10 {
		s := subscribe(t, l, event.Options{})
		waiting.Go(func() {
			if _, err := s.Next(safety(t), nil); !errors.Is(err, io.EOF) {
				t.Errorf("Next: %v; expected io.EOF", err)
			}
		})
	}
	l.Close()
	waiting.Wait()
}

func TestNextEndsWithContext(t *testing.T) {
	l := newLog(256)
	s := subscribe(t, l, event.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if batch, err := s.Next(ctx, nil); !errors.Is(err, context.Canceled) || len(batch) != 0 {
		t.Errorf("Next of a cancelled context: %d events, %v", len(batch), err)
	}
	fill(l, 1, event.Ended)
	if batch, err := s.Next(ctx, nil); err != nil || len(batch) != 1 {
		t.Errorf("Next with an event there: %d events, %v; expected the event", len(batch), err)
	}
}

// TestNextAppends holds that Next waits for a new event even when its batch has some already.
func TestNextAppends(t *testing.T) {
	l := newLog(256)
	s := subscribe(t, l, event.Options{})
	fill(l, 1, event.Ended)
	first, err := s.Next(safety(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	var appending sync.WaitGroup
	appending.Go(func() { fill(l, 1, event.Ended) })
	both, err := s.Next(safety(t), first)
	if err != nil || len(both) != 2 || both[0].Sequence != 1 || both[1].Sequence != 2 {
		t.Errorf("got %d events, %v; expected sequences 1 and 2", len(both), err)
	}
	appending.Wait()
}

// TestPollScansOn holds that one Poll finds a wanted event behind more unwanted ones than one read examines.
func TestPollScansOn(t *testing.T) {
	l := newLog(65536)
	s := subscribe(t, l, event.Options{Types: event.Types(0).With(event.Closed)})
	fill(l, 10_000, event.Ended)
	fill(l, 1, event.Closed)
	if batch := s.Poll(nil); len(batch) != 1 || batch[0].Sequence != 10_001 {
		t.Errorf("Poll found %d events; expected the one at 10001", len(batch))
	}
	if batch := s.Poll(nil); len(batch) != 0 {
		t.Errorf("Poll found %d more events", len(batch))
	}
}

func TestStreamsAreCounted(t *testing.T) {
	l := newLog(256)
	a, b := subscribe(t, l, event.Options{}), subscribe(t, l, event.Options{})
	if l.Streams() != 2 {
		t.Errorf("%d streams; expected 2", l.Streams())
	}
	a.Poll(nil)
	b.Poll(nil)
	a.Close()
	a.Close()
	if l.Streams() != 1 {
		t.Errorf("%d streams after one closed twice; expected 1", l.Streams())
	}
	fill(l, 1, event.Ended)
	if got := drain(b); len(got) != 1 {
		t.Errorf("the other stream got %d events; expected 1", len(got))
	}
}
