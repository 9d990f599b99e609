package exchange_test

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/internal/exchange"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	fleetv1 "github.com/sockgate/sockgate/gen/sockgate/fleet/v1"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

func TestAskAnswersOfEveryStatus(t *testing.T) {
	long := func(context.Context) error { time.Sleep(3 * time.Second); return nil }
	for _, c := range []struct {
		name    string
		prepare func(e *exchanges, a, b *peer)
		answer  func(ctx context.Context) error
		status  pb.NodeStatus
		code    codes.Code // of the error; OK if there is none
		says    string
		elapsed time.Duration
	}{
		{name: "it does it", status: pb.NodeStatus_NODE_STATUS_OK},
		{name: "it does not know it", answer: func(context.Context) error {
			return status.Error(codes.Unimplemented,
				"no such verb")
		},
			status: pb.NodeStatus_NODE_STATUS_UNSUPPORTED, says: "no such verb"},
		{name: "it does not let", answer: func(context.Context) error {
			return status.Error(codes.PermissionDenied,
				"you may not")
		},
			status: pb.NodeStatus_NODE_STATUS_DENIED, code: codes.PermissionDenied, says: "you may not"},
		{name: "it does not know who", answer: func(context.Context) error {
			return status.Error(codes.Unauthenticated,
				"who?")
		},
			status: pb.NodeStatus_NODE_STATUS_DENIED, code: codes.Unauthenticated, says: "who?"},
		{name: "it fails", answer: func(context.Context) error { return status.Error(codes.NotFound, "no \xff such") },
			status: pb.NodeStatus_NODE_STATUS_ERROR, code: codes.NotFound, says: "no \uFFFD such"},
		{name: "its own bounds are not the exchange's", answer: func(context.Context) error {
			return status.Error(codes.ResourceExhausted, "full")
		},
			status: pb.NodeStatus_NODE_STATUS_ERROR, code: codes.ResourceExhausted, says: "full"},
		{name: "it panics", answer: func(context.Context) error { panic("at the disco") },
			status: pb.NodeStatus_NODE_STATUS_ERROR, code: codes.Internal, says: "its log says more"},
		{name: "it is ended by its deadline", answer: func(ctx context.Context) error {
			<-ctx.Done()
			return status.FromContextError(ctx.Err()).Err()
		},
			prepare: func(_ *exchanges, a, _ *peer) {
				m := a.Roster.Member("b")
				time.Sleep(time.Second) // the heartbeat took so long, so the deadline is earlier by as much
				m.HeardAt = time.Now()
				a.Roster.Set(m)
			}, status: pb.NodeStatus_NODE_STATUS_TIMED_OUT, says: "what it did is not known", elapsed: time.Second},
		{name: "it takes too long", answer: long, status: pb.NodeStatus_NODE_STATUS_TIMED_OUT, says: "no answer within 2s",
			elapsed: 2 * time.Second},
		{name: "it is cut off", prepare: func(e *exchanges, _, _ *peer) { e.loop.Cut("a", "b", true) },
			status: pb.NodeStatus_NODE_STATUS_TIMED_OUT, says: "no answer within 2s", elapsed: 2 * time.Second},
		{name: "it restarted, and says so", prepare: func(_ *exchanges, a, b *peer) {
			m := a.Roster.Member("b")
			m.Incarnation = "19ab0d3f000"
			a.Roster.Set(m)
		}, status: pb.NodeStatus_NODE_STATUS_RESTARTED, says: "incarnation 19ab0d3f000 was asked, and it is 19ab0d3f1c1 " +
			"now; nothing was done"},
		{name: "it is not to be asked", prepare: func(_ *exchanges, a, _ *peer) {
			time.Sleep(11 * time.Second)
			m := a.Roster.Member("b")
			m.State = pb.NodeState_NODE_STATE_UNREACHABLE
			a.Roster.Set(m)
		}, status: pb.NodeStatus_NODE_STATUS_UNREACHABLE, says: "nothing has been heard of it for 11s; it was not asked"},
		{name: "it left", prepare: func(_ *exchanges, a, _ *peer) {
			m := a.Roster.Member("b")
			m.State = pb.NodeState_NODE_STATE_LEFT
			a.Roster.Set(m)
		}, status: pb.NodeStatus_NODE_STATUS_LEFT, says: "it was not asked"},
		{name: "there is no connection", prepare: func(_ *exchanges, a, _ *peer) { a.bus.Connect(false) },
			status: pb.NodeStatus_NODE_STATUS_UNREACHABLE, says: "the loopback bus is disconnected"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newExchanges(t, "a", "b")
				a, b := e.all["a"], e.all["b"]
				b.answers.OnCall = func(ctx context.Context, _ string, _ event.Actor, _ string, _ []byte) ([]byte, error) {
					if c.answer != nil {
						return nil, c.answer(ctx)
					}
					return []byte("done"), nil
				}
				if c.prepare != nil {
					c.prepare(e, a, b)
				}
				got := a.Ask(t.Context(), a.members("b"), exchange.Question{Method: kick, Wait: 2 * time.Second})[0]
				if got.Node != "b" || got.Status != c.status || !strings.Contains(got.Message, c.says) || got.Elapsed != c.elapsed {
					t.Errorf("answered %+v; expected %s saying %q after %s", got, c.status, c.says, c.elapsed)
				}
				if status.Code(got.Err) != c.code || c.code != codes.OK && !strings.Contains(got.Err.Error(), c.says) {
					t.Errorf("the error is %v; expected %s", got.Err, c.code)
				}
				if done := c.status == pb.NodeStatus_NODE_STATUS_OK; done != (string(got.Body) == "done") || done &&
					got.Message != "" {
					t.Errorf("answered %+v with %q", got, got.Body)
				}
			})
		})
	}
}

// TestAskTellsWhoAsksWhat checks that a request arrives as it was made, with its caller.
func TestAskTellsWhoAsksWhat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExchanges(t, "a", "b")
		a, b := e.all["a"], e.all["b"]
		caller := event.Actor{Identity: "ops", Proof: "token", Role: "OPERATOR", Address: "127.0.0.1:9", RequestID: "r-1"}
		b.answers.OnCall = func(_ context.Context, from string, c event.Actor, method string, body []byte) ([]byte, error) {
			if from != "a" || c != caller || method != kick || string(body) != "whom" {
				t.Errorf("%s asks for %+v: %s %q", from, c, method, body)
			}
			return nil, nil
		}
		got := a.Ask(t.Context(), a.members("b"), exchange.Question{Method: kick, Body: []byte("whom"), Caller: caller})[0]
		if got.Status != pb.NodeStatus_NODE_STATUS_OK {
			t.Errorf("answered %+v", got)
		}
	})
}

// TestAskingManyIsOneMessage checks that more than three nodes are asked with one message, and that a node that is not
// a target does nothing.
func TestAskingManyIsOneMessage(t *testing.T) {
	for _, c := range []struct {
		to   []string
		sent []string
	}{
		{[]string{"d", "b", "c"}, []string{"sockgate.test.ask.a.d", "sockgate.test.ask.a.b", "sockgate.test.ask.a.c"}},
		{[]string{"d", "b", "c", "e"}, []string{"sockgate.test.ask.a._all"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			e := newExchanges(t, "a", "b", "c", "d", "e", "f")
			a := e.all["a"]
			e.all["f"].answers.OnCall = func(context.Context, string, event.Actor, string, []byte) ([]byte, error) {
				t.Error("f was not asked")
				return nil, nil
			}
			var sent []string
			e.loop.Spy(func(place, subject string, _ []byte) {
				if place == "a" {
					sent = append(sent, subject)
				}
			})
			for i, got := range a.Ask(t.Context(), a.members(c.to...), exchange.Question{Method: list}) {
				if got.Node != c.to[i] || string(got.Body) != "from "+c.to[i] {
					t.Errorf("in the place of %s: %+v", c.to[i], got)
				}
			}
			if strings.Join(sent, " ") != strings.Join(c.sent, " ") {
				t.Errorf("sent to %v; expected %v", sent, c.sent)
			}
		})
	}
}

// TestMembersChangeWhileTheyAreAsked checks that Ask does not wait for an answer that cannot come.
func TestMembersChangeWhileTheyAreAsked(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(r *exchange.ExchangeRoster, m member.Member)
		status pb.NodeStatus
	}{
		{"it restarts", func(r *exchange.ExchangeRoster, m member.Member) { m.Incarnation = "19ab0d40000"; r.Set(m) },
			pb.NodeStatus_NODE_STATUS_RESTARTED},
		{"it leaves", func(r *exchange.ExchangeRoster, m member.Member) { m.State = pb.NodeState_NODE_STATE_LEFT; r.Set(m) },
			pb.NodeStatus_NODE_STATUS_LEFT},
		{"it falls silent", func(r *exchange.ExchangeRoster, m member.Member) {
			m.State = pb.NodeState_NODE_STATE_UNREACHABLE
			r.Set(m)
		},
			pb.NodeStatus_NODE_STATUS_TIMED_OUT},
		{"it is forgotten", func(r *exchange.ExchangeRoster, m member.Member) { r.Forget(m.Node) },
			pb.NodeStatus_NODE_STATUS_TIMED_OUT},
		{"another one leaves", func(r *exchange.ExchangeRoster, m member.Member) {
			m.Node, m.State = "c", pb.NodeState_NODE_STATE_LEFT
			r.Set(m)
		}, pb.NodeStatus_NODE_STATUS_OK},
		{"it is suspect", func(r *exchange.ExchangeRoster,
			m member.Member) {
			m.State = pb.NodeState_NODE_STATE_SUSPECT
			r.Set(m)
		},
			pb.NodeStatus_NODE_STATUS_OK},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newExchanges(t, "a", "b")
				a := e.all["a"]
				e.all["b"].answers.OnCall = func(context.Context, string, event.Actor, string, []byte) ([]byte, error) {
					time.Sleep(3 * time.Second)
					return nil, nil
				}
				time.AfterFunc(time.Second, func() { c.change(a.Roster, a.Roster.Member("b")) })
				expected := time.Second
				if c.status == pb.NodeStatus_NODE_STATUS_OK {
					expected = 3 * time.Second
				}
				if got := a.Ask(t.Context(), a.members("b"), exchange.Question{Method: kick})[0]; got.Status != c.status ||
					got.Elapsed != expected {
					t.Errorf("answered %+v; expected %s after %s", got, c.status, expected)
				}
			})
		})
	}
}

// TestTheCallerGivesUp checks work whose call ends before the answer: a read ends, a mutation is carried out whole.
func TestTheCallerGivesUp(t *testing.T) {
	for _, c := range []struct {
		method string
		nodes  []string
		ends   bool
	}{
		{kick, []string{"b"}, false},
		{list, []string{"b"}, true},
		{exchange.MethodPing, []string{"b"}, true},
		{pb.GatewayService_CountConnections_FullMethodName, []string{"b"}, true},
		{pb.GatewayService_GetGateway_FullMethodName, []string{"b", "c", "d", "e"}, true},
		{pb.GatewayService_Broadcast_FullMethodName, []string{"b", "c", "d", "e"}, false},
	} {
		t.Run(c.method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newExchanges(t, "a", "b", "c", "d", "e")
				a := e.all["a"]
				var mu sync.Mutex
				var ended, done int
				for _, node := range c.nodes {
					e.all[node].answers.OnCall = func(ctx context.Context, _ string, _ event.Actor, _ string, _ []byte) ([]byte,
						error) {
						var n *int
						select {
						case <-ctx.Done():
							n = &ended
						case <-time.After(3 * time.Second):
							n = &done
						}
						mu.Lock()
						defer mu.Unlock()
						*n++
						return nil, ctx.Err()
					}
				}
				var sent []string
				e.loop.Spy(func(place, subject string, _ []byte) {
					if place == "a" {
						sent = append(sent, subject)
					}
				})
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				for _, got := range a.Ask(ctx, a.members(c.nodes...), exchange.Question{Method: c.method}) {
					if got.Status != pb.NodeStatus_NODE_STATUS_TIMED_OUT || got.Elapsed != time.Second ||
						!strings.Contains(got.Message, "context canceled") {
						t.Errorf("answered %+v", got)
					}
				}
				if len(sent) != 2 || sent[0] != sent[1] {
					t.Errorf("sent to %v; expected what ends a question on the question's own subject, which it cannot overtake", sent)
				}
				synctest.Wait()
				mu.Lock()
				if early := ended == len(c.nodes); early != c.ends {
					t.Errorf("%d of %d were ended", ended, len(c.nodes))
				}
				mu.Unlock()
				time.Sleep(5 * time.Second)
				mu.Lock()
				defer mu.Unlock()
				if whole := done == len(c.nodes); whole == c.ends {
					t.Errorf("%d of %d were carried out whole", done, len(c.nodes))
				}
			})
		})
	}
}

// TestTheCallsDeadlineHolds checks that an earlier deadline of the call holds, at the asked node too. A call that is
// over asks no node.
func TestTheCallsDeadlineHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExchanges(t, "a", "b")
		a := e.all["a"]
		var wait atomic.Int64
		e.all["b"].answers.OnCall = func(ctx context.Context, _ string, _ event.Actor, _ string, _ []byte) ([]byte, error) {
			deadline, _ := ctx.Deadline()
			wait.Store(int64(time.Until(deadline)))
			<-ctx.Done()
			return nil, ctx.Err()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
		defer cancel()
		got := a.Ask(ctx, a.members("b"), exchange.Question{Method: kick, Wait: 2 * time.Second})[0]
		if got.Status != pb.NodeStatus_NODE_STATUS_TIMED_OUT || got.Elapsed != 700*time.Millisecond ||
			time.Duration(wait.Load()) != 700*time.Millisecond {
			t.Errorf("answered %+v, and had %s", got, time.Duration(wait.Load()))
		}
		time.Sleep(time.Second)
		wait.Store(0)
		e.loop.Spy(func(_, subject string, _ []byte) { t.Errorf("something was sent to %s", subject) })
		got = a.Ask(ctx, a.members("b"), exchange.Question{Method: kick})[0]
		if got.Status != pb.NodeStatus_NODE_STATUS_TIMED_OUT || wait.Load() != 0 {
			t.Errorf("answered %+v, and had %s", got, time.Duration(wait.Load()))
		}
	})
}

// TestLateAndForeignAnswersAreIgnored checks that only an asked node answers, once, in the life that was asked.
func TestLateAndForeignAnswersAreIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExchanges(t, "a", "b", "c")
		a := e.all["a"]
		var asked atomic.Pointer[fleetv1.Envelope]
		e.loop.Spy(func(place, _ string, data []byte) {
			if envelope := new(fleetv1.Envelope); place == "a" && proto.Unmarshal(data, envelope) == nil {
				asked.Store(envelope)
			}
		})
		e.all["b"].answers.OnCall = func(context.Context, string, event.Actor, string, []byte) ([]byte, error) {
			time.Sleep(time.Second)
			return []byte("genuine"), nil
		}
		say := func(from, incarnation string) {
			r, _ := proto.Marshal(&fleetv1.Reply{Incarnation: incarnation, Status: pb.NodeStatus_NODE_STATUS_OK,
				Body: []byte("not genuine")})
			for _, envelope := range exchange.Envelopes([16]byte(asked.Load().GetId()), true, r) {
				data, _ := proto.Marshal(envelope)
				_ = e.all[from].bus.Publish("sockgate.test.answer."+from+".a", data)
			}
		}
		time.AfterFunc(500*time.Millisecond, func() {
			say("c", e.all["b"].Self.Incarnation)
			say("b", "19ab0d3f000")
		})
		if got := a.Ask(t.Context(), a.members("b"), exchange.Question{Method: list})[0]; string(got.Body) != "genuine" {
			t.Errorf("answered %+v, %q", got, got.Body)
		}
		say("b", e.all["b"].Self.Incarnation) // the answer is no longer waited for
		synctest.Wait()
	})
}

// TestANewerVersionsAnswer checks that an answer with unknown parts becomes an error, not silence.
func TestANewerVersionsAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExchanges(t, "a", "b")
		a, b := e.all["a"], e.all["b"]
		b.Stop()
		unsubscribe, _ := b.bus.Subscribe("sockgate.test.ask.*.b", func(_ string, data []byte) {
			ask := new(fleetv1.Envelope)
			_ = proto.Unmarshal(data, ask)
			r, _ := proto.Marshal(&fleetv1.Reply{Incarnation: b.Self.Incarnation, Status: 77})
			data, _ = proto.Marshal(exchange.Envelopes([16]byte(ask.GetId()), true, r)[0])
			_ = b.bus.Publish("sockgate.test.answer.b.a", data)
		})
		defer unsubscribe()
		got := a.Ask(t.Context(), a.members("b"), exchange.Question{Method: list})[0]
		if got.Status != pb.NodeStatus_NODE_STATUS_ERROR || got.Err == nil || !strings.Contains(got.Message, "77") {
			t.Errorf("answered %+v", got)
		}
	})
}

// TestLongAnswersAreCut checks that a node's message and details are cut to their bounds: a caller gets those of all
// nodes, and decoding a status takes many times its size.
func TestLongAnswersAreCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExchanges(t, "a", "b")
		a, b := e.all["a"], e.all["b"]
		b.Stop()
		var reply *fleetv1.Reply
		unsubscribe, _ := b.bus.Subscribe("sockgate.test.ask.*.b", func(_ string, data []byte) {
			ask := new(fleetv1.Envelope)
			_ = proto.Unmarshal(data, ask)
			encoded, _ := proto.Marshal(reply)
			for _, part := range exchange.Envelopes([16]byte(ask.GetId()), true, encoded) {
				data, _ = proto.Marshal(part)
				_ = b.bus.Publish("sockgate.test.answer.b.a", data)
			}
		})
		defer unsubscribe()
		long := strings.Repeat("x", 1<<20)
		// a google.rpc.Status with empty details
		details := append([]byte{8, byte(codes.NotFound)}, bytes.Repeat([]byte{0x1a, 0}, 1<<20)...)
		for _, reply = range []*fleetv1.Reply{
			{Status: pb.NodeStatus_NODE_STATUS_OVERLOADED, Message: long},
			{Status: pb.NodeStatus_NODE_STATUS_ERROR, Message: long, Error: details},
			{Status: pb.NodeStatus_NODE_STATUS_ERROR, Message: long},
		} {
			reply.Incarnation = b.Self.Incarnation
			got := a.Ask(t.Context(), a.members("b"), exchange.Question{Method: list})[0]
			if got.Status != reply.Status || len(got.Message) > 5<<10 || len(status.Convert(got.Err).Proto().GetDetails()) > 0 {
				t.Errorf("answered %v with %d bytes of message", got.Status, len(got.Message))
			}
		}
	})
}
