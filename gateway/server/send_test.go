package server_test

import (
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

func TestSendOutcomes(t *testing.T) {
	g := start(t, server.Config{Limits: server.Limits{SendQueueLimit: 256 << 10}})
	f := g.follow(event.Closed)
	free, slow, gone := g.open(), g.open(), g.open()
	gone.Close()
	f.awaitType(event.Closed, gone.id)
	for g.send(slow.id, make([]byte, 64<<10), 0).Outcome != server.OutcomeDroppedQueueFull {
	}
	stuck := g.AddFull(t) // a socket's kernel may take more of the queue at any time
	defer server.CloseInert(stuck)
	full := stuck.ID()
	const queued, room = 100 << 10, 156 << 10
	g.send(full, make([]byte, queued), 0)
	incarnation := g.info().Incarnation
	for _, c := range []struct {
		name, id string
		size     int
		want     server.SendResult
	}{
		{"free", free.id, 5, server.SendResult{Outcome: server.OutcomeWritten}},
		{"full, one byte too many", full, room + 1, server.SendResult{Outcome: server.OutcomeDroppedQueueFull,
			Queued: queued}},
		{"full, what fits", full, room, server.SendResult{Outcome: server.OutcomeQueued, Queued: queued + room}},
		{"full to the last byte", full, 1, server.SendResult{Outcome: server.OutcomeDroppedQueueFull, Queued: 256 << 10}},
		{"closed", gone.id, 5, server.SendResult{Outcome: server.OutcomeClosed, Unsent: 5}},
		{"never existed", "test." + incarnation + ".5", 5, server.SendResult{Outcome: server.OutcomeNotFound}},
		{"earlier incarnation", "test.1.1", 5, server.SendResult{Outcome: server.OutcomeNodeRestarted}},
		{"other node", "edge-9." + incarnation + ".1", 5, server.SendResult{Outcome: server.OutcomeUnknownNode}},
	} {
		t.Run(c.name, func(t *testing.T) {
			controls := g.follow(event.Control)
			request := server.SendRequest{ID: c.id, Data: make([]byte, c.size), Actor: event.Actor{Identity: "alice"}}
			if got, err := g.Send(t.Context(), request); err != nil || got != c.want {
				t.Errorf("Send of %d bytes to %s: %+v, %v; expected %+v", c.size, c.id, got, err, c.want)
			}
			d := controls.awaitType(event.Control, "").Detail.(*event.ControlDetail)
			if d.Verb != "Send" || d.Matched != 1 || d.Outcomes[c.want.Outcome.String()] != 1 || d.DataBytes != uint64(c.size) ||
				d.IDs[0] != c.id {
				t.Errorf("recorded as %+v", d)
			}
		})
	}
	if n := g.info().Totals.SendsDropped; n != 3 {
		t.Errorf("%d sends dropped; expected 3", n)
	}
	for _, id := range []string{"", "x", "test..1", "test.1.", "test." + incarnation + ".0", "test." + incarnation + ".01",
		"test." + incarnation + ".1.1", "test." + incarnation + ".99999999999999999999", "Test." + incarnation + ".1",
		"test." + incarnation + ".-1"} {
		var malformed *server.MalformedIDError
		if _, err := g.Send(t.Context(), server.SendRequest{ID: id, Data: []byte("x")}); !errors.As(err, &malformed) ||
			malformed.ID != id {
			t.Errorf("Send to %q: %v; expected a MalformedIDError", id, err)
		}
	}
	accepted := g.get(slow.id)
	if _, err := io.CopyN(io.Discard, slow, int64(accepted.BytesSent+accepted.QueuedBytes)); err != nil {
		t.Errorf("reading the bytes that were accepted for the slow one: %v", err)
	}
	if err := slow.CloseWrite(); err != nil {
		t.Error(err)
	}
	mustEnd(t, slow)
}

// A Send that waits answers WRITTEN when the reader has made room, CLOSED with the exact rest when the connection ends
// first, and QUEUED when the time is up.
func TestSendWaits(t *testing.T) {
	const size = 300 << 10
	waiting := func(t *testing.T) (g *gateway, p peer, stuffed int, answer func() server.SendResult) {
		g = start(t, server.Config{Limits: server.Limits{SendQueueLimit: 8 << 20}, Handler: &hooks{}})
		p = g.open()
		stuffed = g.stuff(p.id)
		queued := g.get(p.id).QueuedBytes
		var result server.SendResult
		var sending sync.WaitGroup
		sending.Go(func() { result = g.send(p.id, make([]byte, size), safety) })
		for g.get(p.id).QueuedBytes < queued+size { // until it is waiting
		}
		return g, p, stuffed, func() server.SendResult { sending.Wait(); return result }
	}
	t.Run("slow reader", func(t *testing.T) {
		_, p, stuffed, answer := waiting(t)
		if _, err := io.CopyN(io.Discard, p, int64(stuffed+size)); err != nil {
			t.Error(err)
		}
		if r := answer(); r.Outcome != server.OutcomeWritten || r.Unsent != 0 {
			t.Errorf("%+v; expected WRITTEN", r)
		}
	})
	t.Run("closed meanwhile", func(t *testing.T) {
		g, p, stuffed, answer := waiting(t)
		f := g.follow(event.Closed)
		g.send(p.id, make([]byte, 1000), 0) // behind it: does not count for it
		if _, err := io.CopyN(io.Discard, p, 256<<10); err != nil {
			t.Error(err)
		}
		g.abort(p.id)
		closed := f.awaitType(event.Closed, p.id).Conn
		unsent := min(size, max(0, stuffed+size-int(closed.BytesSent)))
		want := server.OutcomeClosed
		if unsent == 0 { // the kernel took all of it
			want = server.OutcomeWritten
		}
		if r := answer(); r.Outcome != want || int(r.Unsent) != unsent {
			t.Errorf("%+v; expected %s with %d unsent", r, want, unsent)
		}
		if int(closed.BytesSent+closed.UnsentBytes) != stuffed+size+1000 {
			t.Errorf("%d sent and %d unsent; expected %d in all", closed.BytesSent, closed.UnsentBytes, stuffed+size+1000)
		}
	})
	t.Run("too short", func(t *testing.T) {
		g, p, _, answer := waiting(t)
		if r := g.send(p.id, []byte("x"), time.Millisecond); r.Outcome != server.OutcomeQueued || r.Queued == 0 {
			t.Errorf("%+v; expected QUEUED", r)
		}
		g.abort(p.id)
		answer()
	})
}
