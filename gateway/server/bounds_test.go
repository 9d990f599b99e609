package server_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

// A verb on all connections ends although a new one comes for each that it visits, and leaves the new ones alone.
func TestVerbsLeaveNewcomersAlone(t *testing.T) {
	ctx := context.Background()
	for name, verb := range map[string]func(*gateway, server.Matcher) uint64{
		"Kick": func(g *gateway, m server.Matcher) uint64 {
			r, _ := g.Kick(ctx, server.KickRequest{Targets: server.Where(m), Flush: time.Millisecond})
			return r.Matched
		},
		"Broadcast": func(g *gateway, m server.Matcher) uint64 {
			r, _ := g.Broadcast(ctx, server.BroadcastRequest{Match: m, Data: []byte("x")})
			return r.Matched
		},
		"SetLabels": func(g *gateway, m server.Matcher) uint64 {
			r, _ := g.SetLabels(server.LabelRequest{Targets: server.Where(m), Set: map[string]string{"a": "b"}})
			return r.Matched
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := start(t, server.Config{})
			const n = 256 // as many as a walk takes at a time, so that it goes on
			for range n {
				g.open()
			}
			calls := 0
			matched := verb(g, match(func(*server.Connection) bool {
				if calls++; calls < 1000 {
					g.open()
				}
				return true
			}))
			if matched != n || calls != n {
				t.Errorf("%d of %d matched", matched, calls)
			}
		})
	}
}

// The event log does not keep a long text of a request whole.
func TestControlEventsAreBounded(t *testing.T) {
	g := start(t, server.Config{})
	var long []string
	for range 1000 {
		long = append(long, strings.Repeat("x", 256))
	}
	f := g.follow(event.Control)
	if _, err := g.SetLabels(server.LabelRequest{Targets: server.IDs(long...),
		Set: map[string]string{"a": "b"}, Actor: event.Actor{Identity: "alice"}}); err != nil {
		t.Fatal(err)
	}
	d := f.await("CONTROL", func(*event.Event) bool { return true }).Detail.(*event.ControlDetail)
	size := 0
	for _, id := range d.IDs {
		size += len(id)
	}
	if len(d.IDs) != 100 || cap(d.IDs) > 200 || size > 100*70 {
		t.Errorf("%d IDs in room for %d, %d bytes; expected 100 of at most 70 bytes", len(d.IDs), cap(d.IDs), size)
	}
	if d.Matched != 1000 || d.Set["a"] != "b" || d.Outcomes["MALFORMED_ID"] != 1000 {
		t.Errorf("%+v", d)
	}
}

// The end of Serve's context shortens a drain that a request began.
func TestContextEndsDuringDrain(t *testing.T) {
	s, err := server.New(server.Config{Node: "test", Listeners: []server.ListenerConfig{{Address: "127.0.0.1:0"}},
		Handler: server.BaseHandler{}, DrainTimeout: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	g := &gateway{Server: s, t: t, served: make(chan error, 1)}
	ctx, cancel := context.WithCancelCause(context.Background())
	go func() { g.served <- s.Serve(ctx) }()
	g.open()
	if first := s.StartDrain(server.DrainRequest{Grace: time.Hour, Reason: "by hand"}); first.Joined {
		t.Error(first)
	}
	cancel(errors.New("SIGTERM"))
	if err := g.wait(); err != nil {
		t.Error(err)
	}
	g.audit()
}

// The farewells of a drain, and of a request that joins it, have outcomes. No connection is accepted after the drain
// begins.
func TestFarewellsHaveOutcomes(t *testing.T) {
	g := start(t, server.Config{})
	reads, full := g.open(), g.open()
	queued := g.stuff(full.id)
	f := g.follow(event.Control, event.DrainStarted)
	for _, text := range []string{"first", "second"} {
		g.StartDrain(server.DrainRequest{Grace: time.Hour, Farewell: []byte(text), Actor: event.Actor{Identity: "alice"}})
		d := f.await("CONTROL", func(e *event.Event) bool { return e.Type == event.Control }).Detail.(*event.ControlDetail)
		if d.Verb != "Shutdown" || d.Matched != 2 || d.DataBytes != uint64(len(text)) || d.Outcomes["WRITTEN"] != 1 ||
			d.Outcomes["QUEUED"]+d.Outcomes["DROPPED_QUEUE_FULL"] != 1 {
			t.Errorf("%d bytes were queued for the other; %+v", queued, d)
		}
		got := make([]byte, len(text))
		if _, err := io.ReadFull(reads, got); err != nil || string(got) != text {
			t.Errorf("read %q, %v; expected %q", got, err, text)
		}
	}
}
