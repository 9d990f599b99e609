package exchange_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/fleettest"
	"github.com/sockgate/sockgate/gateway/fleet/internal/exchange"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const (
	kick = pb.GatewayService_Kick_FullMethodName
	list = pb.GatewayService_ListConnections_FullMethodName
	flow = pb.GatewayService_StreamEvents_FullMethodName
)

// exchanges are some exchanges on one loopback bus that know each other.
type exchanges struct {
	t    *testing.T
	loop *fleettest.Loopback
	all  map[string]*peer
}

// peer is an exchange with its bus, its answers, and its log.
type peer struct {
	*exchange.Testing
	bus     *fleettest.LoopbackBus
	answers exchange.ExchangeAnswers

	mu  sync.Mutex
	log bytes.Buffer
}

// Write takes the log's lines.
func (p *peer) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

func (p *peer) logged() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// newExchanges starts exchanges with these names. They stop at the end of the test, and must have forgotten everything
// by then.
func newExchanges(t *testing.T, names ...string) *exchanges {
	t.Helper()
	e := &exchanges{t: t, loop: fleettest.NewLoopback(), all: make(map[string]*peer)}
	for i, name := range names {
		p := &peer{bus: e.loop.Bus(name)}
		p.answers.OnCall = func(context.Context, string, event.Actor, string, []byte) ([]byte, error) {
			return []byte("from " + name), nil
		}
		p.answers.OnFollow = func(context.Context, string, event.Actor, string, []byte,
			func([]byte) error) error {
			return nil
		}
		p.Testing = exchange.NewTesting(p.bus, event.Origin{Node: name, Incarnation: fmt.Sprintf("19ab0d3f1c%x", i)},
			&p.answers,
			hclog.New(&hclog.LoggerOptions{Output: p, Level: hclog.Warn}))
		e.all[name] = p
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			p.Stop()
			if open, under, _ := p.Left(); open+under != 0 {
				t.Errorf("%s remembers %d that it asks and %d that it answers", name, open, under)
			}
		})
	}
	for _, a := range e.all {
		for name, b := range e.all {
			if a != b {
				e.hear(a, name)
			}
		}
	}
	return e
}

// hear lets a peer hear a heartbeat that another one sends now, and returns the member.
func (e *exchanges) hear(a *peer, node string) member.Member {
	b := e.all[node]
	m := member.Member{Origin: b.Self, State: pb.NodeState_NODE_STATE_LIVE, Stamp: uint64(time.Since(b.Began)),
		HeardAt: time.Now()}
	a.Roster.Set(m)
	return m
}

// members returns these members as a peer knows them.
func (p *peer) members(names ...string) []member.Member {
	var all []member.Member
	for _, name := range names {
		all = append(all, p.Roster.Member(name))
	}
	return all
}

// TestPanicsEndNothingElse checks that requests after a panic are answered.
func TestPanicsEndNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExchanges(t, "a", "b")
		a, b := e.all["a"], e.all["b"]
		b.answers.OnCall = func(_ context.Context, _ string, _ event.Actor, method string, _ []byte) ([]byte, error) {
			if method == kick {
				panic("at the disco")
			}
			return []byte("well"), nil
		}
		b.answers.OnFollow = func(context.Context, string, event.Actor, string, []byte, func([]byte) error) error {
			panic("in the stream")
		}
		a.Ask(t.Context(), a.members("b"), exchange.Question{Method: kick})
		s := a.Follow(t.Context(), a.Roster.Member("b"), exchange.Question{Method: flow})
		if end, _ := nextEnd(t, s); end.Status != pb.NodeStatus_NODE_STATUS_ERROR || status.Code(end.Err) != codes.Internal {
			t.Errorf("the stream ended with %+v", end)
		}
		if got := a.Ask(t.Context(), a.members("b"), exchange.Question{Method: list})[0]; string(got.Body) != "well" {
			t.Errorf("answered %+v", got)
		}
		if log := b.logged(); !strings.Contains(log, "at the disco") || !strings.Contains(log, "in the stream") {
			t.Errorf("the log does not tell: %s", log)
		}
	})
}

// TestLargeMessages checks that a message larger than a part arrives unchanged, both ways, and that one that is too
// large is refused with an error text.
func TestLargeMessages(t *testing.T) {
	for _, c := range []struct {
		ask, answer int
		status      pb.NodeStatus
		says        string
	}{
		{exchange.PartSize - 1<<10, exchange.PartSize, pb.NodeStatus_NODE_STATUS_OK, ""},
		{5 << 20, 5 << 20, pb.NodeStatus_NODE_STATUS_OK, ""},
		{exchange.MessageSize + 1, 0, pb.NodeStatus_NODE_STATUS_ERROR, "nodes send each other at most 8388608"},
		{0, exchange.MessageSize + 1, pb.NodeStatus_NODE_STATUS_ERROR, "it was done, but the answer is a message of"},
	} {
		synctest.Test(t, func(t *testing.T) {
			e := newExchanges(t, "a", "b")
			a := e.all["a"]
			ask, answer := noise(c.ask), noise(c.answer)
			e.all["b"].answers.OnCall = func(_ context.Context, _ string, _ event.Actor, _ string, body []byte) ([]byte, error) {
				if !bytes.Equal(body, ask) {
					t.Errorf("%d bytes arrived otherwise than they were sent", len(ask))
				}
				return answer, nil
			}
			e.loop.Spy(func(_, subject string, data []byte) {
				if len(data) > exchange.PartSize+64 {
					t.Errorf("%d bytes in one message to %s", len(data), subject)
				}
			})
			got := a.Ask(t.Context(), a.members("b"), exchange.Question{Method: kick, Body: ask})[0]
			if got.Status != c.status || !strings.Contains(got.Message, c.says) {
				t.Errorf("answered %s %q; expected %s %q", got.Status, got.Message, c.status, c.says)
			}
			if c.status == pb.NodeStatus_NODE_STATUS_OK && !bytes.Equal(got.Body, answer) {
				t.Errorf("%d bytes came back otherwise than they were sent", len(answer))
			}
		})
	}
}

// noise returns bytes without a pattern.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// TestStopEndsWhatIsAsked checks that Stop leaves no caller waiting, and that the answers to open questions do not
// claim that nothing was done.
func TestStopEndsWhatIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExchanges(t, "a", "b")
		a := e.all["a"]
		e.all["b"].answers.OnCall = func(ctx context.Context, _ string, _ event.Actor, _ string, _ []byte) ([]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		time.AfterFunc(time.Second, func() {
			a.Stop()
			if open, _, _ := a.Left(); open != 0 {
				t.Error("stop did not wait for who was asking")
			}
		})
		got := a.Ask(t.Context(), a.members("b"), exchange.Question{Method: list, Wait: time.Minute})[0]
		if got.Status != pb.NodeStatus_NODE_STATUS_TIMED_OUT || got.Elapsed != time.Second || !strings.Contains(got.Message,
			"this node is leaving") {
			t.Errorf("answered %+v", got)
		}
		synctest.Wait()
		if _, under, _ := e.all["b"].Left(); under != 0 {
			t.Error("b was not told that nobody waits")
		}
		got = a.Ask(t.Context(), a.members("b"), exchange.Question{Method: list})[0]
		if got.Status != pb.NodeStatus_NODE_STATUS_UNREACHABLE || got.Elapsed != 0 || !strings.Contains(got.Message,
			"this node is leaving") {
			t.Errorf("answered %+v", got)
		}
	})
}

// TestStopWaitsForWhatIsAnswered checks that a node that leaves ends reads for others at once, and gives mutations a
// little time to finish.
func TestStopWaitsForWhatIsAnswered(t *testing.T) {
	for _, c := range []struct {
		method string
		takes  time.Duration
		stop   time.Duration // how long Stop takes
		status pb.NodeStatus
	}{
		{list, time.Minute, 0, pb.NodeStatus_NODE_STATUS_LEFT},
		{kick, time.Second, time.Second, pb.NodeStatus_NODE_STATUS_OK},
		{kick, time.Minute, 2 * time.Second, pb.NodeStatus_NODE_STATUS_ERROR},
	} {
		synctest.Test(t, func(t *testing.T) {
			e := newExchanges(t, "a", "b")
			a, b := e.all["a"], e.all["b"]
			b.answers.OnCall = func(ctx context.Context, _ string, _ event.Actor, _ string, _ []byte) ([]byte, error) {
				select {
				case <-time.After(c.takes):
					return nil, nil
				case <-ctx.Done():
					return nil, status.FromContextError(ctx.Err()).Err()
				}
			}
			asked := make(chan exchange.Answer)
			go func() {
				asked <- a.Ask(t.Context(), a.members("b"), exchange.Question{Method: c.method, Wait: 2 * time.Minute})[0]
			}()
			synctest.Wait()
			began := time.Now()
			b.Stop()
			if took := time.Since(began); took != c.stop {
				t.Errorf("stopping took %s; expected %s", took, c.stop)
			}
			if got := <-asked; got.Status != c.status || got.Elapsed != c.stop {
				t.Errorf("answered %+v; expected %s", got, c.status)
			}
		})
	}
}

// TestAskBeforeStart checks that a node that has not joined says so.
func TestAskBeforeStart(t *testing.T) {
	x := exchange.NewTesting(fleettest.NewLoopback().Bus("a"), event.Origin{Node: "a", Incarnation: "1"}, nil,
		hclog.NewNullLogger())
	b := member.Member{Origin: event.Origin{Node: "b", Incarnation: "1"}, State: pb.NodeState_NODE_STATE_LIVE}
	got := x.Ask(t.Context(), []member.Member{b}, exchange.Question{Method: list})[0]
	if got.Status != pb.NodeStatus_NODE_STATUS_UNREACHABLE ||
		!strings.Contains(got.Message, "has not joined") {
		t.Errorf("answered %+v", got)
	}
	s := x.Follow(t.Context(), b, exchange.Question{Method: flow})
	if end, _ := nextEnd(t, s); end.Status != pb.NodeStatus_NODE_STATUS_UNREACHABLE {
		t.Errorf("ended with %+v", end)
	}
	s.Close()
	x.Stop()
}

// TestStartNeedsTheBus checks that Start returns the error of a bus that refuses a subscription, and leaves nothing
// behind.
func TestStartNeedsTheBus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := &deafBus{LoopbackBus: fleettest.NewLoopback().Bus("a"), after: 2}
		x := exchange.NewTesting(bus, event.Origin{Node: "a", Incarnation: "1"}, nil, hclog.NewNullLogger())
		if err := x.Start(); !errors.Is(err, errDeaf) {
			t.Errorf("started with %v", err)
		}
	})
}

var errDeaf = errors.New("no more subscriptions")

// deafBus refuses subscriptions beyond a number.
type deafBus struct {
	*fleettest.LoopbackBus
	after int
}

func (b *deafBus) Subscribe(subject string, deliver func(string, []byte)) (func(), error) {
	if b.after--; b.after < 0 {
		return nil, errDeaf
	}
	return b.LoopbackBus.Subscribe(subject, deliver)
}
