package server_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

// A drain lets connections end by themselves, closes the rest at its deadline, and sends every connection the farewell.
func TestDrain(t *testing.T) {
	g := start(t, server.Config{})
	f := g.follow(event.Closed, event.DrainStarted, event.DrainEnded, event.Control)
	leaver, stayer := g.open(), g.open()
	const grace = 500 * time.Millisecond
	status := g.StartDrain(server.DrainRequest{Grace: grace, Reason: "upgrade", Farewell: []byte("closing soon\n"),
		Actor: event.Actor{Identity: "alice"}})
	if status.Joined || status.Connections != 2 || time.Until(status.Deadline) > grace {
		t.Errorf("drain %+v", status)
	}
	started := f.awaitType(event.DrainStarted, "").Detail.(*event.DrainDetail)
	if started.Connections != 2 || started.Reason != "upgrade" || !started.Deadline.Equal(status.Deadline) {
		t.Errorf("DRAIN_STARTED %+v", started)
	}
	mustRead(t, leaver, "closing soon\n")
	leaver.Close()
	mustRead(t, stayer, "closing soon\n")
	mustWrite(t, stayer, []byte("still served"))
	mustRead(t, stayer, "still served")
	mustEnd(t, stayer)
	if closed := f.awaitType(event.Closed, leaver.id).Conn; closed.CloseReason != event.ReasonPeerClosed {
		t.Errorf("the leaver was closed with %s", closed.CloseReason)
	}
	closed := f.awaitType(event.Closed, stayer.id).Conn
	if closed.CloseReason != event.ReasonShutdown || closed.CloseText != "upgrade" || closed.ClosedBy != "alice" {
		t.Errorf("the stayer was closed with %s, %q, by %q", closed.CloseReason, closed.CloseText, closed.ClosedBy)
	}
	ended := f.awaitType(event.DrainEnded, "").Detail.(*event.DrainDetail)
	if ended.Ended != 1 || ended.Closed != 1 || ended.Connections != 0 {
		t.Errorf("DRAIN_ENDED %+v; expected 1 ended and 1 closed", ended)
	}
	if err := g.wait(); err != nil {
		t.Error(err)
	}
}

// A drain that a second request joins ends at the earlier deadline, and keeps its reason.
func TestJoinDrain(t *testing.T) {
	g := start(t, server.Config{})
	f := g.follow(event.Closed)
	c := g.open()
	first := g.StartDrain(server.DrainRequest{Grace: time.Hour, Reason: "first"})
	later := g.StartDrain(server.DrainRequest{Grace: 2 * time.Hour, Reason: "second"})
	if !later.Joined || !later.Deadline.Equal(first.Deadline) {
		t.Errorf("joined with a later deadline: %+v; expected %s to hold", later, first.Deadline)
	}
	earlier := g.StartDrain(server.DrainRequest{Grace: 50 * time.Millisecond})
	if !earlier.Joined || !earlier.Deadline.Before(first.Deadline) {
		t.Errorf("joined with an earlier deadline: %+v", earlier)
	}
	if closed := f.awaitType(event.Closed, c.id).Conn; closed.CloseReason != event.ReasonShutdown ||
		closed.CloseText != "first" {
		t.Errorf("closed with %s, %q", closed.CloseReason, closed.CloseText)
	}
	if err := g.wait(); err != nil {
		t.Error(err)
	}
}

// A peer that never reads, or a slow Close of the handler, does not hold up a drain beyond its deadline.
func TestDrainOfStuckPeers(t *testing.T) {
	conns := make(chan *server.Conn, 2)
	g := start(t, server.Config{Limits: server.Limits{SendQueueLimit: 8 << 20}, CloseTimeout: time.Hour,
		Handler: &hooks{open: func(c *server.Conn) { conns <- c }}})
	f := g.follow(event.Closed)
	full := g.open()
	g.stuff(full.id)
	<-conns
	closing := g.open()
	(<-conns).Close(server.ReasonHandler)
	g.StartDrain(server.DrainRequest{Grace: 100 * time.Millisecond})
	if err := g.wait(); err != nil {
		t.Error(err)
	}
	for range 2 {
		closed := f.awaitType(event.Closed, "").Conn
		switch closed.ID() {
		case full.id:
			if closed.CloseReason != event.ReasonShutdown || closed.UnsentBytes == 0 {
				t.Errorf("the full one was closed with %s, %d unsent", closed.CloseReason, closed.UnsentBytes)
			}
		case closing.id:
			if closed.CloseReason != event.ReasonHandler {
				t.Errorf("the closing one was closed with %s", closed.CloseReason)
			}
		}
	}
}

// A drain or a kick loses no byte that a handler was given: every byte that was received and not discarded comes back.
func TestNothingIsLost(t *testing.T) {
	clients := scaled(8, 20)
	for _, c := range []struct {
		name string
		end  func(g *gateway)
	}{
		// The clients need a fifth of the grace period to read the flushed bytes: all of them write without end, and the
		// machine may be busy.
		{"drain", func(g *gateway) {
			g.StartDrain(server.DrainRequest{Grace: time.Duration(clients) * 200 * time.Millisecond})
		}},
		{"drain at once", func(g *gateway) { g.StartDrain(server.DrainRequest{}) }},
		{"kick", func(g *gateway) {
			_, _ = g.Kick(g.t.Context(), server.KickRequest{Targets: server.Where(match(everything)), Farewell: farewell,
				Flush: safety})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, func(t *testing.T, engine string) {
				g := startOn(t, engine, server.Config{})
				f := g.follow(event.Closed)
				echoed := make(map[string]int)
				var mu sync.Mutex
				var busy, done sync.WaitGroup
				for range clients {
					p := g.open()
					busy.Add(1)
					done.Go(func() { // until its connection ends
						for i := uint64(0); ; i++ {
							if _, err := p.Write(binary.BigEndian.AppendUint64(nil, i)); err != nil {
								return
							}
						}
					})
					done.Go(func() {
						n := countSequence(t, p, &busy)
						p.Close() // ends the writer too
						mu.Lock()
						defer mu.Unlock()
						echoed[p.id] = n
					})
				}
				busy.Wait()
				c.end(g)
				done.Wait()
				for range clients {
					closed := f.awaitType(event.Closed, "").Conn
					want := int(closed.BytesReceived - closed.DiscardedBytes)
					if n := echoed[closed.ID()]; n != want || closed.UnsentBytes != 0 {
						t.Errorf("%s (%s): %d bytes came back; %d were received and %d discarded, %d unsent", closed.ID(),
							closed.CloseReason, n, closed.BytesReceived, closed.DiscardedBytes, closed.UnsentBytes)
					}
				}
			})
		})
	}
}

// A handler that is busy with received bytes answers before a drain ends its connection.
func TestDrainDuringHandlerCall(t *testing.T) {
	inside, leave := make(chan struct{}), make(chan struct{})
	g := start(t, server.Config{Handler: &hooks{data: func(c *server.Conn, p []byte) {
		close(inside)
		<-leave
		_, _ = c.Send(p)
	}}})
	p := g.open()
	mustWrite(t, p, []byte("question"))
	<-inside
	g.StartDrain(server.DrainRequest{})
	for g.get(p.id).State != event.StateClosing {
	}
	close(leave)
	mustRead(t, p, "question")
	mustEnd(t, p)
	p.Close()
	if err := g.wait(); err != nil {
		t.Error(err)
	}
}

// A handler that is still busy when the time of a drain is over answers, too: what it was given is not lost.
func TestDrainEndsDuringHandlerCall(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		inside, leave := make(chan *server.Conn), make(chan struct{})
		g := startOn(t, engine, server.Config{Handler: &hooks{data: func(c *server.Conn, p []byte) {
			inside <- c
			<-leave
			_, _ = c.Send(p)
		}}})
		f := g.follow(event.Closed)
		p := g.open()
		mustWrite(t, p, []byte("question"))
		drainAway(g, <-inside)
		close(leave)
		mustRead(t, p, "question")
		mustEnd(t, p)
		if closed := f.awaitType(event.Closed, p.id).Conn; closed.BytesSent != 8 || closed.UnsentBytes != 0 {
			t.Errorf("%d bytes sent, %d unsent; expected all 8 sent", closed.BytesSent, closed.UnsentBytes)
		}
		if err := g.wait(); err != nil {
			t.Error(err)
		}
	})
}

// A handler that sends until it is told to stop is told so when the time of a drain is over, whether the peer reads or
// not.
func TestDrainEndsDuringEndlessCall(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		inside, leave := make(chan *server.Conn), make(chan struct{})
		g := startOn(t, engine, server.Config{Handler: &hooks{data: func(c *server.Conn, p []byte) {
			inside <- c
			<-leave
			for buffer := make([]byte, 64<<10); ; {
				if _, err := c.Send(buffer); errors.Is(err, server.ErrClosed) {
					return
				}
			}
		}}})
		p := g.open()
		mustWrite(t, p, []byte("go"))
		drainAway(g, <-inside)
		close(leave)
		if err := g.wait(); err != nil {
			t.Error(err)
		}
	})
}

// drainAway starts a drain and returns when its time is over for a connection.
func drainAway(g *gateway, c *server.Conn) {
	g.StartDrain(server.DrainRequest{Grace: time.Millisecond})
	for g.get(c.ID()).State != event.StateClosing {
	}
	server.CutShort(c)
}

// countSequence reads the numbers from 0 on, 8 bytes each, to the end, and returns how many bytes there were before the
// farewell. It calls busy.Done at the first.
func countSequence(t *testing.T, r io.Reader, busy *sync.WaitGroup) int {
	first := make([]byte, 1)
	if _, err := io.ReadFull(r, first); err != nil {
		t.Error(err)
	}
	busy.Done()
	rest, _ := io.ReadAll(r) // the test does not judge the kind of end
	all := bytes.TrimSuffix(append(first, rest...), farewell)
	for i := 0; i+8 <= len(all); i += 8 {
		if v := binary.BigEndian.Uint64(all[i:]); v != uint64(i/8) {
			t.Errorf("number %d came as %d", i/8, v)
			break
		}
	}
	return len(all)
}

// farewell cannot be the end of an echo of numbers.
var farewell = bytes.Repeat([]byte{0xff}, 16)
