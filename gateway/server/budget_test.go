package server

import (
	"crypto/tls"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/sendqueue"
)

// A verb's send that does not fit is dropped whole, and the outcome says so. A send to a peer that keeps up is written,
// however full the queues of others are.
func TestQueueBudgetOfVerbs(t *testing.T) {
	s := idleServer(t, Config{Limits: Limits{QueueBudget: 1000}})
	slow, quick := s.connect(t, "", 0), s.connect(t, "", 1<<20)
	send := func(k *kernel, n int) Outcome {
		r, err := s.Send(t.Context(), SendRequest{ID: k.end.ID(), Data: make([]byte, n)})
		if err != nil {
			t.Fatal(err)
		}
		return r.Outcome
	}
	for i, c := range []struct {
		to   *kernel
		n    int
		want Outcome
	}{
		{slow, 900, OutcomeQueued}, {slow, 101, OutcomeDroppedBudget}, {quick, 5000, OutcomeWritten},
		{slow, 100, OutcomeQueued},
		{slow, 1, OutcomeDroppedBudget},
	} {
		if got := send(c.to, c.n); got != c.want {
			t.Errorf("send %d, of %d bytes: %s; expected %s", i, c.n, got, c.want)
		}
	}
	b, err := s.Broadcast(t.Context(), BroadcastRequest{Data: []byte("hello")})
	if err != nil || b.Matched != 2 || b.Written != 1 || b.Dropped != 1 || len(b.Failures) != 1 ||
		b.Failures[0].Outcome != OutcomeDroppedBudget {
		t.Errorf("Broadcast: %+v, %v; expected one written and one dropped for the budget", b, err)
	}
	if totals := s.totals(); totals.QueuedBytes != 1000 || totals.SendsDropped != 3 {
		t.Errorf("%d queued, %d dropped; expected 1000 and 3", totals.QueuedBytes, totals.SendsDropped)
	}
	slow.take(500)
	if got := send(slow, 500); got != OutcomeQueued {
		t.Errorf("when half was taken: %s", got)
	}
	s.changeLimits(func(l *Limits) { l.QueueBudget = 0 })
	if got := send(slow, 100_000); got != OutcomeQueued {
		t.Errorf("without a budget: %s", got)
	}
	slow.finish()
	quick.finish()
	if n := s.queued.Bytes(); n != 0 {
		t.Errorf("%d bytes are queued when every connection is closed", n)
	}
}

// Handlers have a reserve. An answer that does not fit into it is refused with an error that says what to do.
func TestQueueBudgetOfHandlers(t *testing.T) {
	s := idleServer(t, Config{Limits: Limits{QueueBudget: 1000, SendQueueLimit: 4 << 20}})
	slow, other := s.connect(t, "", 0), s.connect(t, "", 0)
	if o, err := slow.end.Send(make([]byte, 1000+sendqueue.BudgetReserve)); o != OutcomeQueued || err != nil {
		t.Errorf("within the reserve: %s, %v", o, err)
	}
	if o, err := other.end.Send([]byte("x")); o != OutcomeDroppedBudget || !errors.Is(err, ErrBudget) ||
		!errors.Is(err, ErrDropped) {
		t.Errorf("beyond the reserve: %s, %v; expected DROPPED_BUDGET and ErrBudget, which is an ErrDropped", o, err)
	}
	other.end.Received([]byte("x"), s.now())
	if i := other.end.Info(); i.CloseReason != ReasonQueueBudget || !other.is(&other.closed) {
		t.Errorf("a connection whose answer does not fit: %s", i.CloseReason)
	}
	slow.finish()
	other.finish()
}

// When the kernel took a part of a send and the rest has no room, the connection ends, because nothing may follow half
// a message.
func TestQueueBudgetBehindPart(t *testing.T) {
	s := idleServer(t, Config{Limits: Limits{QueueBudget: 1000, SendQueueLimit: 4 << 20}})
	slow, first, second := s.connect(t, "", 0), s.connect(t, "", 10), s.connect(t, "", 10)
	if o, err := slow.end.Send(make([]byte, 1000)); o != OutcomeQueued {
		t.Fatal(o, err)
	}
	send := func(k *kernel) Outcome {
		r, err := s.Send(t.Context(), SendRequest{ID: k.end.ID(), Data: make([]byte, sendqueue.BudgetReserve+10)})
		if err != nil {
			t.Fatal(err)
		}
		return r.Outcome
	}
	if o := send(first); o != OutcomeQueued {
		t.Errorf("the rest of a verb's send, within the reserve: %s", o)
	}
	if o := send(second); o != OutcomeClosed || second.end.Info().CloseReason != ReasonQueueBudget {
		t.Errorf("the rest of a verb's send, beyond the reserve: %s, closed with %s", o, second.end.Info().CloseReason)
	}
	third := s.connect(t, "", 0)
	// TLS may have encrypted the beginning of a send before the kernel took nothing of it.
	s.listeners[0].config.TLS = &tls.Config{}
	if o := send(third); o != OutcomeClosed || third.end.Info().CloseReason != ReasonQueueBudget {
		t.Errorf("a send that TLS may have begun, beyond the reserve: %s, closed with %s", o, third.end.Info().CloseReason)
	}
	for _, k := range []*kernel{slow, first, second, third} {
		k.finish()
	}
}

// While the budget is scarce, reading from a peer with a non-empty queue pauses, until the queue is empty or the budget
// has room again.
func TestScarceBudgetPauses(t *testing.T) {
	s := idleServer(t, Config{Limits: Limits{QueueBudget: 100_000}})
	big, small := s.connect(t, "", 0), s.connect(t, "", 0)
	verb := func(k *kernel, n int) { _, _ = s.Send(t.Context(), SendRequest{ID: k.end.ID(), Data: make([]byte, n)}) }
	small.end.Received(make([]byte, 10), s.now())
	verb(big, 75_000-10)
	if small.end.Received(make([]byte, 10), s.now()); !small.is(&small.paused) {
		t.Error("a connection with 20 bytes queued is read from, with more than three quarters used")
	}
	verb(big, 5000)
	if small.take(19); !small.is(&small.paused) || !small.end.Info().ReadPaused {
		t.Error("a connection with a byte queued is read from again, with more than three quarters used, or read_paused " +
			"does not say so")
	}
	if small.take(1); small.is(&small.paused) {
		t.Error("a connection with nothing queued is not read from")
	}
	if small.end.Received(make([]byte, 10), s.now()); !small.is(&small.paused) {
		t.Error("a connection with 10 bytes queued is read from, with more than three quarters used")
	}
	big.take(50_000)
	if small.end.Wrote(0, nil); small.is(&small.paused) {
		t.Error("not read from again when there was room")
	}
	big.finish()
	small.finish()
}

// The budget's count is the sum of the queues, and within its bounds, after sends, takes and closes in any order.
func TestQueueBudgetModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const budget = 5000
		s := idleServer(t, Config{EventLogSize: 256, Limits: Limits{QueueBudget: budget, HighWater: 2000,
			SendQueueLimit: 4000}})
		var live []*kernel
		pick := func(t *rapid.T) *kernel {
			if len(live) == 0 {
				t.Skip("nobody is connected")
			}
			return live[rapid.IntRange(0, len(live)-1).Draw(t, "connection")]
		}
		size := rapid.IntRange(1, 4000)
		t.Repeat(map[string]func(*rapid.T){
			"connect": func(t *rapid.T) {
				if len(live) < 6 {
					live = append(live, s.connect(t, "", rapid.IntRange(0, 3000).Draw(t, "room")))
				}
			},
			"verb": func(t *rapid.T) {
				_, _ = s.Send(t.Context(), SendRequest{ID: pick(t).end.ID(), Data: make([]byte, size.Draw(t, "n"))})
			},
			"broadcast": func(t *rapid.T) {
				_, _ = s.Broadcast(t.Context(), BroadcastRequest{Data: make([]byte, size.Draw(t, "n"))})
			},
			"receive": func(t *rapid.T) { pick(t).end.Received(make([]byte, size.Draw(t, "n")), s.now()) },
			"take":    func(t *rapid.T) { pick(t).take(size.Draw(t, "n")) },
			"close":   func(t *rapid.T) { pick(t).end.Close(ReasonHandler) },
			"abort":   func(t *rapid.T) { pick(t).end.Abort(ReasonHandler) },
			"closed": func(t *rapid.T) {
				k := pick(t)
				k.finish()
				for i := range live {
					if live[i] == k {
						live = append(live[:i], live[i+1:]...)
						break
					}
				}
			},
			"": func(t *rapid.T) {
				var sum int64
				for _, k := range live {
					sum += int64(k.end.Info().QueuedBytes)
				}
				if n := s.queued.Bytes(); n != sum || n > budget+sendqueue.BudgetReserve {
					t.Fatalf("%d bytes are counted; %d are queued", n, sum)
				}
			},
		})
		for _, k := range live {
			k.finish()
		}
		if n := s.queued.Bytes(); n != 0 {
			t.Fatalf("%d bytes are counted when all is closed", n)
		}
		if s.totals().Closed[event.ReasonNone] != 0 {
			t.Fatal("closed without a reason")
		}
	})
}
