package server_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

// A broadcast reaches each connection that matches once, and its counts add up.
func TestBroadcast(t *testing.T) {
	closers := make(chan *server.Conn, 10)
	g := start(t, server.Config{Limits: server.Limits{SendQueueLimit: 1 << 20},
		Handler: &hooks{open: func(c *server.Conn) { closers <- c }}})
	free, excluded, other, full, dropped, closing := g.open(), g.open(), g.open(), g.open(), g.open(), g.open()
	for range 5 {
		<-closers
	}
	(<-closers).Close(server.ReasonHandler)
	g.stuff(full.id)
	for g.send(dropped.id, make([]byte, 32<<10), 0).Outcome != server.OutcomeDroppedQueueFull {
	}
	data := []byte(strings.Repeat("news ", 13000)) // more than the room that is left
	f := g.follow(event.Control)
	r, err := g.Broadcast(t.Context(), server.BroadcastRequest{Data: data,
		Exclude: []string{excluded.id, "not an ID", "other.1.1"}, Actor: event.Actor{Identity: "alice"},
		Match: match(func(i *server.Connection) bool { return i.ID() != other.id })})
	if err != nil {
		t.Fatal(err)
	}
	want := server.BroadcastResult{Matched: 4, Written: 1, Queued: 1, Dropped: 1, Closed: 1,
		Failures: []server.TargetOutcome{
			{ID: dropped.id, Outcome: server.OutcomeDroppedQueueFull}, {ID: closing.id, Outcome: server.OutcomeClosed}}}
	if !reflect.DeepEqual(r, want) {
		t.Errorf("Broadcast: %+v; expected %+v", r, want)
	}
	d := f.awaitType(event.Control, "").Detail.(*event.ControlDetail)
	if d.Verb != "Broadcast" || d.Matched != 4 || d.Actor.Identity != "alice" || d.Filter != "test" ||
		d.DataBytes != uint64(len(data)) || !reflect.DeepEqual(d.Outcomes,
		map[string]uint64{"WRITTEN": 1, "QUEUED": 1, "DROPPED_QUEUE_FULL": 1, "CLOSED": 1}) {
		t.Errorf("recorded as %+v", d)
	}
	mustRead(t, free, string(data))
	for _, p := range []peer{free, excluded, other} {
		g.send(p.id, []byte("mark"), 0)
		mustRead(t, p, "mark") // and nothing before it
	}
}

// A broadcast names the first 100 failures, and counts all.
func TestBroadcastFailuresAreBounded(t *testing.T) {
	g := start(t, server.Config{Limits: server.Limits{SendQueueLimit: 1, HighWater: 1}, Handler: &hooks{}})
	const n = 120
	for range n {
		g.open()
	}
	r, err := g.Broadcast(t.Context(), server.BroadcastRequest{Data: []byte("too much")})
	if err != nil || r.Matched != n || r.Dropped != n || len(r.Failures) != 100 {
		t.Errorf("%d matched, %d dropped, %d named, %v; expected %d, %d and 100", r.Matched, r.Dropped, len(r.Failures), err,
			n, n)
	}
}

// A request with an ID is carried out once, however many copies of it come at the same time.
func TestBroadcastRequestID(t *testing.T) {
	g := start(t, server.Config{})
	p := g.open()
	request := server.BroadcastRequest{Data: []byte("once"), RequestID: "6ba7b810-9dad-11d1-80b4-00c04fd430c8"}
	var calls sync.WaitGroup
	var mu sync.Mutex
	replayed := 0
	for range 20 {
		calls.Go(func() {
			r, err := g.Broadcast(t.Context(), request)
			mu.Lock()
			defer mu.Unlock()
			if err != nil || r.Matched != 1 || r.Written != 1 {
				t.Errorf("%+v, %v; expected the same answer for all", r, err)
			}
			if r.Replayed {
				replayed++
			}
		})
	}
	calls.Wait()
	if replayed != 19 {
		t.Errorf("%d of 20 were replayed; expected 19", replayed)
	}
	g.send(p.id, []byte("mark"), 0)
	mustRead(t, p, "oncemark")
	for _, other := range []server.BroadcastRequest{
		{Data: []byte("twice")},
		{Data: []byte("once"), Match: match(everything)},
		{Data: []byte("once"), Exclude: []string{p.id}},
		{Data: nil, Exclude: []string{"once"}},
		{Data: []byte("1:a,once"), Exclude: nil},
	} {
		other.RequestID = request.RequestID
		var reused *server.RequestIDError
		if _, err := g.Broadcast(t.Context(), other); !errors.As(err, &reused) || reused.ID != request.RequestID {
			t.Errorf("the same ID with %+v: %v; expected a RequestIDError", other, err)
		}
	}
	ambiguous := server.BroadcastRequest{Data: []byte("x"), Exclude: []string{"a"}, RequestID: "other"}
	if _, err := g.Broadcast(t.Context(), ambiguous); err != nil {
		t.Fatal(err)
	}
	ambiguous.Data, ambiguous.Exclude = []byte("1:a,x"), nil
	if _, err := g.Broadcast(t.Context(), ambiguous); err == nil {
		t.Error("an excluded ID was taken for the same as data that looks like it")
	}
}

func TestBroadcastRequestIDLimit(t *testing.T) {
	g := start(t, server.Config{})
	for i := range server.RequestsKept {
		if _, err := g.Broadcast(t.Context(), server.BroadcastRequest{Data: []byte("x"),
			RequestID: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := g.Broadcast(t.Context(), server.BroadcastRequest{Data: []byte("x"),
		RequestID: "one more"}); !errors.Is(err, server.ErrTooManyRequests) {
		t.Errorf("one more: %v; expected ErrTooManyRequests", err)
	}
	if r, err := g.Broadcast(t.Context(), server.BroadcastRequest{Data: []byte("x"), RequestID: "17"}); err != nil ||
		!r.Replayed {
		t.Errorf("an earlier one again: %+v, %v; expected a replay", r, err)
	}
}
