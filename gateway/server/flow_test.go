package server_test

import (
	"bytes"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

// Bytes beyond the receive rate are read later. None is lost, and never more are read than the rate allows.
func TestReceiveRateOnSockets(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, engine string) {
		t.Parallel()
		const rate, size = 1 << 20, 3 << 20
		g := startOn(t, engine, server.Config{Limits: server.Limits{ReceiveRate: rate}})
		f := g.follow(event.Closed)
		p := g.open()
		sent := bytes.Repeat([]byte("0123456789abcdef"), size/16)
		var writing sync.WaitGroup
		writing.Go(func() {
			mustWrite(t, p, sent)
			if err := p.CloseWrite(); err != nil {
				t.Error(err)
			}
		})
		got, err := io.ReadAll(p)
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%d bytes came back, %v; expected all %d as they were sent", len(got), err, len(sent))
		}
		writing.Wait()
		p.Close()
		closed := f.awaitType(event.Closed, p.id).Conn
		took := closed.ClosedAt.Sub(closed.ConnectedAt)
		if most := rate*(1+took.Seconds()) + 64<<10; float64(closed.BytesReceived) > most || g.info().Totals.RatePauses == 0 {
			t.Errorf("%d bytes in %s, with %d pauses; expected at most %.0f", closed.BytesReceived, took,
				g.info().Totals.RatePauses, most)
		}
		if closed.CloseReason != event.ReasonPeerClosed || closed.DiscardedBytes != 0 {
			t.Errorf("closed with %s, %d bytes discarded", closed.CloseReason, closed.DiscardedBytes)
		}
	})
}

// Peers that do not read fill the budget and no more. A peer that reads is served meanwhile.
func TestQueueBudgetOnSockets(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		const budget = 1 << 20
		g := startOn(t, engine, server.Config{Limits: server.Limits{QueueBudget: budget, SendQueueLimit: 8 << 20}})
		slow, quick := g.open(), g.open()
		data := make([]byte, 256<<10)
		for dropped := 0; dropped < 10; {
			switch r := g.send(slow.id, data, 0); r.Outcome {
			case server.OutcomeDroppedBudget:
				dropped++
			case server.OutcomeWritten, server.OutcomeQueued:
			default:
				t.Fatalf("Send: %s", r.Outcome)
			}
			if n := g.info().Totals.QueuedBytes; n > budget+1<<20 {
				t.Fatalf("%d bytes are queued", n)
			}
		}
		for range 100 {
			mustWrite(t, quick, []byte("hello"))
			mustRead(t, quick, "hello")
		}
		if totals := g.info().Totals; totals.SendsDropped < 10 || totals.QueuedBytes < budget/2 {
			t.Errorf("%d dropped, %d queued", totals.SendsDropped, totals.QueuedBytes)
		}
		if i := g.get(slow.id); !i.Live() {
			t.Errorf("the slow one closed with %s", i.CloseReason)
		}
	})
}

// An echo whose peers do not read stays within the budget and its reserve. A connection without room for its answer
// ends with QUEUE_BUDGET.
func TestEchoWithinQueueBudget(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		const budget, reserve = 256 << 10, 1 << 20
		g := startOn(t, engine, server.Config{Limits: server.Limits{QueueBudget: budget}})
		f := g.follow(event.Closed)
		full := func() bool { return len(g.info().Totals.Closed) > 0 }
		var writing sync.WaitGroup
		tick := time.NewTicker(time.Millisecond) // a loop without a pause would keep the runtime from polling the network
		defer tick.Stop()
		for peers := 0; !full(); peers++ { // the kernel decides how much of an answer is left for each one's queue
			p := g.open()
			writing.Go(func() {
				for buffer := make([]byte, 64<<10-peers); ; {
					if _, err := p.Write(buffer); err != nil {
						return
					}
				}
			})
			for !full() && !g.get(p.id).ReadPaused {
				<-tick.C
			}
		}
		closed := f.awaitType(event.Closed, "").Conn
		if closed.CloseReason != event.ReasonQueueBudget {
			t.Errorf("closed with %s, %q; expected QUEUE_BUDGET", closed.CloseReason, closed.CloseText)
		}
		if n := g.info().Totals.QueuedBytes; n > budget+reserve {
			t.Errorf("%d bytes are queued; expected at most %d", n, budget+reserve)
		}
		g.stop()
		writing.Wait()
	})
}

// Echo never loses an answer silently: without room in the budget the connection ends with QUEUE_BUDGET.
func TestEchoBeyondQueueBudget(t *testing.T) {
	g := start(t, server.Config{Limits: server.Limits{QueueBudget: 1, SendQueueLimit: 4 << 20}})
	full, c := g.AddFull(t), g.AddFull(t)
	if o, err := full.Send(make([]byte, 1+1<<20)); o != server.OutcomeQueued {
		t.Fatalf("%s, %v; expected that the reserve has room", o, err)
	}
	server.Receive(c, []byte("x"))
	if i := c.Info(); i.CloseReason != event.ReasonQueueBudget {
		t.Errorf("closed with %s; expected QUEUE_BUDGET", i.CloseReason)
	}
	server.CloseInert(full)
	server.CloseInert(c)
}
