package exchange_test

import (
	"bytes"
	"context"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/internal/exchange"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	fleetv1 "github.com/sockgate/sockgate/gen/sockgate/fleet/v1"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// counting counts the calls of a peer, and notes the time of the last one.
func counting(p *peer) (calls *atomic.Int64, last *atomic.Pointer[time.Time]) {
	calls, last = new(atomic.Int64), new(atomic.Pointer[time.Time])
	p.answers.OnCall = func(context.Context, string, event.Actor, string, []byte) ([]byte, error) {
		now := time.Now()
		last.Store(&now)
		calls.Add(1)
		return nil, nil
	}
	return calls, last
}

// TestAStoppedNodeDoesNothingLate checks a kick that waits at a node whose process is stopped for 15 s.
func TestAStoppedNodeDoesNothingLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExchanges(t, "a", "b")
		a, b := e.all["a"], e.all["b"]
		calls, _ := counting(b)
		e.loop.Delay("a", 15*time.Second)
		got := a.Ask(t.Context(), a.members("b"), exchange.Question{Method: kick})[0]
		if got.Status != pb.NodeStatus_NODE_STATUS_TIMED_OUT || got.Elapsed != 5*time.Second {
			t.Errorf("answered %+v", got)
		}
		var answers atomic.Pointer[fleetv1.Reply]
		e.loop.Spy(func(_, subject string, data []byte) { answers.Store(replyIn(subject, data)) })
		time.Sleep(20 * time.Second)
		answered := answers.Load()
		if calls.Load() != 0 {
			t.Error("the kick was carried out 10 s after the caller was told that it is not known what became of it")
		}
		if answered.GetStatus() != pb.NodeStatus_NODE_STATUS_OVERLOADED || !strings.Contains(answered.GetMessage(),
			"too late") {
			t.Errorf("b answered %v", answered)
		}
		if !strings.Contains(b.logged(), "1 too late") {
			t.Errorf("the log does not tell: %s", b.logged())
		}
	})
}

// replyIn returns the reply in a message, or nil if it contains none.
func replyIn(subject string, data []byte) *fleetv1.Reply {
	e, r := new(fleetv1.Envelope), new(fleetv1.Reply)
	if !strings.Contains(subject, ".answer.") || proto.Unmarshal(data, e) != nil || proto.Unmarshal(e.GetReply(),
		r) != nil {
		return nil
	}
	return r
}

// TestFreshness checks that a request stays fresh until its asker stops waiting, less the time that the heartbeat was
// in flight, and never longer.
func TestFreshness(t *testing.T) {
	const wait = 2 * time.Second
	// How long the heartbeat took.
	for _, beat := range []time.Duration{0, 300 * time.Millisecond, 1900 * time.Millisecond} {
		for _, age := range []time.Duration{0, 4 * time.Second} {
			for _, way := range []time.Duration{0, 100 * time.Millisecond, wait - beat, wait - beat + 1, wait, wait + 1} {
				synctest.Test(t, func(t *testing.T) {
					e := newExchanges(t, "a", "b")
					a := e.all["a"]
					time.Sleep(time.Hour) // the clocks' absolute times do not matter
					calls, last := counting(e.all["b"])
					m := e.hear(a, "b")
					m.HeardAt = m.HeardAt.Add(beat)
					time.Sleep(beat + age)
					e.loop.Delay("a", way)
					asked := time.Now()
					a.Ask(t.Context(), []member.Member{m}, exchange.Question{Method: kick, Wait: wait})
					time.Sleep(10 * time.Second)
					if done := calls.Load() == 1; done != (way <= wait-beat) {
						t.Errorf("heartbeat %s, age %s, way %s: carried out %t", beat, age, way, done)
					} else if done && last.Load().Sub(asked) > wait {
						t.Errorf("carried out %s after it was asked", last.Load().Sub(asked))
					}
				})
			}
		}
	}
}

// TestGarbageIsNotFresh checks targets that no honest node sends.
func TestGarbageIsNotFresh(t *testing.T) {
	const began, most = uint64(time.Minute), uint64(math.MaxUint64)
	for _, c := range []struct {
		stamp, age, wait uint64
		fresh            bool
		deadline         time.Duration // from now
	}{
		{began, 0, uint64(time.Second), true, time.Second},
		{began - uint64(time.Second), uint64(time.Second), 0, true, 0},
		{began - uint64(time.Second) - 1, uint64(time.Second), 0, false, 0},
		{began + 1, 0, uint64(time.Hour), false, 0},
		{most, most, most, false, 0},
		{most, 1, 1, false, 0},
		{math.MaxInt64, math.MaxInt64, math.MaxInt64, false, 0},
		{0, most, most, true, 5 * time.Minute},
		{0, most, 0, true, 0},
		{0, 0, most, true, 4 * time.Minute},
		{0, 0, 0, false, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			e := newExchanges(t, "a", "b")
			b := e.all["b"]
			time.Sleep(time.Minute)
			calls, deadline := 0, time.Duration(0)
			b.answers.OnCall = func(ctx context.Context, _ string, _ event.Actor, _ string, _ []byte) ([]byte, error) {
				calls++
				at, _ := ctx.Deadline()
				deadline = time.Until(at)
				return nil, nil
			}
			b.HearAsk("a", askOf(b, [16]byte{1}, func(r *fleetv1.Request) {
				r.Targets[0].Stamp, r.Targets[0].Age, r.Targets[0].Wait = c.stamp, c.age, c.wait
			}))
			synctest.Wait()
			if fresh := calls == 1; fresh != c.fresh || deadline != c.deadline {
				t.Errorf("%+v: carried out %t with %s to go", c, fresh, deadline)
			}
		})
	}
}

// askOf returns an envelope that asks a peer to kick within 5 s from now. change may alter the request.
func askOf(p *peer, id [16]byte, change func(*fleetv1.Request)) []byte {
	r := &fleetv1.Request{Method: kick, Targets: []*fleetv1.Target{{Node: p.Self.Node, Incarnation: p.Self.Incarnation,
		Stamp: uint64(time.Since(p.Began)), Wait: uint64(5 * time.Second)}}}
	if change != nil {
		change(r)
	}
	message, _ := proto.Marshal(r)
	data, _ := proto.Marshal(exchange.Envelopes(id, false, message)[0])
	return data
}

// TestTheTurnComesTooLate checks that a request that was fresh when it came is not carried out if its turn comes late.
func TestTheTurnComesTooLate(t *testing.T) {
	for _, c := range []struct {
		turn  time.Duration
		calls int64
	}{{time.Second, 1}, {time.Second + 1, 0}} {
		synctest.Test(t, func(t *testing.T) {
			e := newExchanges(t, "a", "b")
			b := e.all["b"]
			calls, _ := counting(b)
			var answered *fleetv1.Reply
			e.loop.Spy(func(_, subject string, data []byte) { answered = replyIn(subject, data) })
			b.CarryOutAfter(c.turn, "a", &fleetv1.Request{Method: kick, Targets: []*fleetv1.Target{{Wait: uint64(time.Second)}}})
			if calls.Load() != c.calls || (answered.GetStatus() == pb.NodeStatus_NODE_STATUS_OK) != (c.calls == 1) {
				t.Errorf("after %s: %d calls, answered %v", c.turn, calls.Load(), answered)
			}
		})
	}
}

// TestOverload checks the bounds of concurrent requests, of one node and of all. A node refuses requests beyond them at
// once, and does nothing for them.
func TestOverload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		names := []string{"a", "c", "d", "e", "f"}
		e := newExchanges(t, append(names, "b")...)
		release := make(chan struct{})
		var calls atomic.Int64
		e.all["b"].answers.OnCall = func(context.Context, string, event.Actor, string, []byte) ([]byte, error) {
			calls.Add(1)
			<-release
			return nil, nil
		}
		answers := make(chan exchange.Answer, 1000)
		ask := func(name string, n int) {
			p := e.all[name]
			for range n {
				go func() {
					answers <- p.Ask(t.Context(), p.members("b"), exchange.Question{Method: kick, Wait: time.Minute})[0]
				}()
			}
			synctest.Wait()
		}
		overloaded := func(n int) {
			t.Helper()
			for range n {
				select {
				case got := <-answers:
					if got.Status != pb.NodeStatus_NODE_STATUS_OVERLOADED || got.Elapsed != 0 || !strings.Contains(got.Message,
						"nothing was done") {
						t.Errorf("answered %+v", got)
					}
				default:
					t.Fatal("no answer at once")
				}
			}
		}
		ask("a", exchange.MaxNodeRequests+10)
		overloaded(10)
		ask("c", exchange.MaxRequests/3)
		ask("d", exchange.MaxRequests-exchange.MaxNodeRequests-exchange.MaxRequests/3)
		if len(answers) != 0 {
			t.Fatalf("%d answers: %+v", len(answers), <-answers)
		}
		ask("f", 1)
		overloaded(1)
		if calls.Load() != exchange.MaxRequests {
			t.Errorf("%d calls; expected %d", calls.Load(), exchange.MaxRequests)
		}
		close(release)
		for range exchange.MaxRequests {
			if got := <-answers; got.Status != pb.NodeStatus_NODE_STATUS_OK {
				t.Errorf("answered %+v", got)
			}
		}
		ask("f", exchange.MaxNodeRequests)
		for range exchange.MaxNodeRequests {
			if got := <-answers; got.Status != pb.NodeStatus_NODE_STATUS_OK {
				t.Errorf("answered %+v", got)
			}
		}
	})
}

// TestARequestThatComesTwice checks that a request is carried out once, even if the first copy was done or refused
// before the second came. It is remembered no longer than a copy could do harm.
func TestARequestThatComesTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExchanges(t, "a", "b")
		b := e.all["b"]
		calls, _ := counting(b)
		time.Sleep(500 * time.Millisecond)
		one := askOf(b, [16]byte{1}, nil)
		for _, pause := range []time.Duration{0, 0, time.Second, 3900 * time.Millisecond, 100 * time.Millisecond,
			time.Nanosecond, time.Minute} {
			time.Sleep(pause)
			b.HearAsk("a", bytes.Clone(one))
			synctest.Wait()
		}
		if calls.Load() != 1 {
			t.Errorf("it was carried out %d times", calls.Load())
		}
		if b.Seen() != 0 {
			t.Errorf("%d are remembered a minute later", b.Seen())
		}
		b.HearAsk("a", askOf(b, [16]byte{1}, nil))
		b.HearAsk("c", askOf(b, [16]byte{1}, nil))
		synctest.Wait()
		if calls.Load() != 3 {
			t.Errorf("another node's request, or a later one, was taken for the same: %d calls", calls.Load())
		}
	})
}

// TestWhatWasRefusedIsNotDone checks that a copy of a request that was refused for overload is not carried out once
// there is room.
func TestWhatWasRefusedIsNotDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExchanges(t, "a", "b")
		b := e.all["b"]
		release := make(chan struct{})
		var calls atomic.Int64
		b.answers.OnCall = func(context.Context, string, event.Actor, string, []byte) ([]byte, error) {
			calls.Add(1)
			<-release
			return nil, nil
		}
		for n := range exchange.MaxNodeRequests + 1 {
			b.HearAsk("a", askOf(b, [16]byte{1, byte(n)}, nil))
		}
		close(release)
		synctest.Wait()
		b.HearAsk("a", askOf(b, [16]byte{1, exchange.MaxNodeRequests}, nil))
		synctest.Wait()
		if calls.Load() != exchange.MaxNodeRequests {
			t.Errorf("%d calls; expected %d", calls.Load(), exchange.MaxNodeRequests)
		}
	})
}

// TestMoreThanCanBeRemembered checks that a request that cannot be told from a second copy is refused.
func TestMoreThanCanBeRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExchanges(t, "a", "b", "c")
		b := e.all["b"]
		calls, _ := counting(b)
		refused := 0
		e.loop.Spy(func(_, subject string, data []byte) {
			if r := replyIn(subject, data); r.GetStatus() == pb.NodeStatus_NODE_STATUS_OVERLOADED {
				refused++
			}
		})
		send := func(from string, n int) {
			for i := range n {
				b.HearAsk(from, askOf(b, [16]byte{byte(i), byte(i >> 8), byte(i >> 16), from[0]}, nil))
				if i%32 == 0 {
					synctest.Wait()
				}
			}
			synctest.Wait()
		}
		send("a", exchange.MaxNodeSeen+7)
		if calls.Load() != exchange.MaxNodeSeen || refused != 7 {
			t.Errorf("%d calls and %d refused", calls.Load(), refused)
		}
		send("c", 1)
		if calls.Load() != exchange.MaxNodeSeen+1 {
			t.Error("another node is refused for it")
		}
	})
}

// TestWhoIsNotMeant checks that a node does nothing for a message to others, to another life or of another fleet, nor
// for one that it does not understand.
func TestWhoIsNotMeant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExchanges(t, "a", "b")
		a, b := e.all["a"], e.all["b"]
		calls, _ := counting(b)
		answered := 0
		e.loop.Spy(func(place, _ string, _ []byte) {
			if place == "b" {
				answered++
			}
		})
		b.HearAsk("a", askOf(b, [16]byte{1}, func(r *fleetv1.Request) { r.Targets[0].Node = "c" }))
		b.HearAsk("a", askOf(b, [16]byte{2}, func(r *fleetv1.Request) { r.Targets = nil }))
		b.HearAsk("b", askOf(b, [16]byte{3}, nil))
		if err := a.bus.Publish("sockgate.other.ask.a.b", askOf(b, [16]byte{4}, nil)); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if calls.Load() != 0 || answered != 0 {
			t.Errorf("%d calls, %d answers", calls.Load(), answered)
		}
		b.HearAsk("a", askOf(b, [16]byte{5}, func(r *fleetv1.Request) { r.Targets[0].Incarnation = "19ab0d3f000" }))
		synctest.Wait()
		if calls.Load() != 0 || answered != 1 {
			t.Errorf("%d calls, %d answers", calls.Load(), answered)
		}
	})
}

// TestOnlyWhoAskedCancels checks that a node can neither end another node's request nor give credit for its stream.
func TestOnlyWhoAskedCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExchanges(t, "a", "b")
		b := e.all["b"]
		ended := make(chan struct{})
		b.answers.OnCall = func(ctx context.Context, _ string, _ event.Actor, _ string, _ []byte) ([]byte, error) {
			<-ctx.Done()
			close(ended)
			return nil, ctx.Err()
		}
		id := [16]byte{9}
		b.HearAsk("a", askOf(b, id, func(r *fleetv1.Request) { r.Method = list }))
		cancel, _ := proto.Marshal(&fleetv1.Envelope{Id: id[:], Body: &fleetv1.Envelope_Cancel{Cancel: &fleetv1.Cancel{}}})
		b.HearAsk("c", cancel)
		synctest.Wait()
		select {
		case <-ended:
			t.Error("c ended what a asked")
		default:
		}
		b.HearAsk("a", cancel)
		synctest.Wait()
		select {
		case <-ended:
		default:
			t.Error("a did not end what it asked")
		}
	})
}
