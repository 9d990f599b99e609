package event_test

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sockgate/sockgate/gateway/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var origin = event.Origin{Node: "edge-1", Incarnation: "19ab0d3f1c2"}

func newLog(size int) *event.Log { return event.NewLog(origin, size) }

// fill appends n events of a type.
func fill(l *event.Log, n int, t event.Type) {
	for range n {
		l.Append(&event.Event{Type: t})
	}
}

func subscribe(t testing.TB, l *event.Log, o event.Options) *event.Subscription {
	t.Helper()
	s, err := l.Subscribe(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// safety returns a context that ends a wait that hangs, after a minute.
func safety(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// drain polls until nothing is left.
func drain(s *event.Subscription) []event.Event {
	var all []event.Event
	for {
		batch := s.Poll(nil)
		if len(batch) == 0 {
			return all
		}
		all = append(all, batch...)
	}
}
