package fleet_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet"
	"github.com/sockgate/sockgate/gateway/fleet/fleettest"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	"github.com/sockgate/sockgate/gateway/handler"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// Statuses of nodes, as tests write them.
const (
	statusOK          = pb.NodeStatus_NODE_STATUS_OK
	statusTimedOut    = pb.NodeStatus_NODE_STATUS_TIMED_OUT
	statusUnreachable = pb.NodeStatus_NODE_STATUS_UNREACHABLE
	statusRestarted   = pb.NodeStatus_NODE_STATUS_RESTARTED
	statusLeft        = pb.NodeStatus_NODE_STATUS_LEFT
	statusError       = pb.NodeStatus_NODE_STATUS_ERROR
	statusDenied      = pb.NodeStatus_NODE_STATUS_DENIED
	statusOverloaded  = pb.NodeStatus_NODE_STATUS_OVERLOADED
)

// scripted is a real node among others whose answers a test writes.
type scripted struct {
	*fleet.Node
	t      *testing.T
	script *fleet.Script
	server *server.Server
	bus    *fleettest.LoopbackBus
	asked  []fleet.Asked
}

// among returns the node `m` among others, which give the answers of the test. amongWith may change the node's own
// gateway too.
func among(t *testing.T, answer func(ctx context.Context, a fleet.Asked) fleet.Answer,
	others ...member.Member) *scripted {
	return amongWith(t, func(s *server.Server) control.Gateway { return s }, answer, others...)
}

func amongWith(t *testing.T, wrap func(*server.Server) control.Gateway, answer func(ctx context.Context,
	a fleet.Asked) fleet.Answer, others ...member.Member) *scripted {
	t.Helper()
	s, err := server.New(server.Config{Node: "m", Listeners: []server.ListenerConfig{{Name: "main",
		Address: "127.0.0.1:0"}}, Handler: handler.Echo{}})
	check(t, err)
	check(t, s.Listen())
	serving := make(chan struct{})
	go func() {
		defer close(serving)
		_ = s.Serve(context.Background())
	}()
	n := &scripted{t: t, server: s, bus: fleettest.NewLoopback().Bus("m")}
	n.script = &fleet.Script{Members: others, Answer: func(ctx context.Context, a fleet.Asked) fleet.Answer {
		n.asked = append(n.asked, a)
		return answer(ctx, a)
	}}
	n.Node = fleet.NewScripted(n.script, s, n.bus, control.NewLocal(wrap(s), control.Config{}))
	t.Cleanup(func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		_ = s.Shutdown(now)
		<-serving
	})
	return n
}

func other(name string, state pb.NodeState) member.Member {
	return member.Member{Origin: event.Origin{Node: name, Incarnation: "2"}, State: state, HeardAt: time.Now()}
}

// ok is the answer of a node that succeeded.
func ok(m proto.Message) fleet.Answer {
	b, _ := proto.Marshal(m)
	return fleet.Answer{Status: statusOK, Body: b}
}

// failing is the answer of a node that failed.
func failing(c codes.Code, reason string) fleet.Answer {
	return fleet.Answer{Status: statusError, Err: status.Error(c, reason), Message: reason}
}

func (n *scripted) connect(count int) (ids []string) {
	n.t.Helper()
	info := n.server.Gateway()
	for range count {
		c, err := net.Dial("tcp", info.Listeners[0].Address)
		check(n.t, err)
		n.t.Cleanup(func() { _ = c.Close() })
	}
	eventually(n.t, "connected", func() bool { return n.server.Live() == count })
	page, err := n.server.List(context.Background(), server.ListRequest{Limit: 1000})
	check(n.t, err)
	for _, c := range page.Connections {
		ids = append(ids, c.ID())
	}
	return ids
}

func (n *scripted) controls() []*event.ControlDetail { return (&gate{server: n.server}).controls(n.t) }

// broken is a gateway that panics, waits or fails before it does anything.
type broken struct {
	*server.Server
	before func(ctx context.Context) error
}

func (b broken) Count(ctx context.Context, r server.CountRequest) (server.CountResult, error) {
	if err := b.before(ctx); err != nil {
		return server.CountResult{}, err
	}
	return b.Server.Count(ctx, r)
}

func (b broken) Broadcast(ctx context.Context, r server.BroadcastRequest) (server.BroadcastResult, error) {
	if err := b.before(ctx); err != nil {
		return server.BroadcastResult{}, err
	}
	return b.Server.Broadcast(ctx, r)
}

func (b broken) AddBan(r server.AddBanRequest) (server.AddBanResult, error) {
	if err := b.before(context.Background()); err != nil {
		return server.AddBanResult{}, err
	}
	return b.Server.AddBan(r)
}

// Limits has no error to return: the node's part of the call fails by a panic.
func (b broken) Limits() server.Limits {
	if err := b.before(context.Background()); err != nil {
		panic(err)
	}
	return b.Server.Limits()
}

// TestBlind checks that a node that cannot know all nodes does not claim to have asked them all: before it has heard of
// any, and when it was displaced.
func TestBlind(t *testing.T) {
	n := among(t, nil)
	ids := n.connect(1)
	count := func(s *pb.Scope) (*pb.FleetResult, error) {
		r, err := n.CountConnections(t.Context(), &pb.CountConnectionsRequest{Scope: s})
		return r.GetFleet(), n.ErrorOf(err)
	}
	complete := func(what string, want bool) {
		t.Helper()
		if r, err := count(nil); err != nil || r.GetComplete() != want || r.GetExpected() != 1 {
			t.Errorf("%s: %v %v", what, r, err)
		}
		if p := n.decodedPage(&pb.ListConnectionsRequest{}); p.GetFleet().GetComplete() != want {
			t.Errorf("%s: %v", what, p)
		}
		for _, s := range []*pb.Scope{{Local: true}, {Nodes: []string{"m"}}} {
			if r, err := count(s); err != nil || !r.GetComplete() {
				t.Errorf("%s: %v %v", what, r, err)
			}
		}
		sent, err := n.Send(t.Context(), &pb.SendRequest{Id: ids[0], Data: []byte("x"), Scope: &pb.Scope{RequireAll: true}})
		if err != nil || !sent.GetFleet().GetComplete() {
			t.Errorf("%s: %v %v", what, sent, err)
		}
		labeled, err := n.SetLabels(t.Context(), &pb.SetLabelsRequest{ConnectionIds: ids, Set: map[string]string{"a": "b"}})
		if err != nil || !labeled.GetFleet().GetComplete() {
			t.Errorf("%s: %v %v", what, labeled, err)
		}
		if _, err := count(&pb.Scope{RequireAll: true}); (err == nil) != want {
			t.Errorf("%s: %v", what, err)
		}
	}
	complete("connected", true)
	n.bus.Connect(false)
	complete("no connection", false)
	_, err := count(&pb.Scope{RequireAll: true})
	expectFailure(t, err, codes.Unavailable, "NODES_MISSING", "disconnected by the test")
	err = n.StreamEvents(&pb.StreamEventsRequest{Scope: &pb.Scope{RequireAll: true}}, nil)
	expectFailure(t, n.ErrorOf(err), codes.Unavailable, "NODES_MISSING", "disconnected by the test")
	n.bus.Connect(true)
	n.script.State = displaced
	complete("displaced", false)
}

// TestOwnPanic checks that a panic in this node's own part is that part's result. The work of the other nodes is
// reported and recorded.
func TestOwnPanic(t *testing.T) {
	n := amongWith(t, func(s *server.Server) control.Gateway {
		return broken{s, func(context.Context) error { panic("boom") }}
	},
		func(context.Context, fleet.Asked) fleet.Answer {
			return ok(&pb.BroadcastResponse{Matched: 2, Written: 2})
		}, other("z", live))
	sent, err := n.Broadcast(t.Context(), &pb.BroadcastRequest{Data: []byte("x")})
	check(t, err)
	f := sent.GetFleet()
	if sent.GetWritten() != 2 || f.GetComplete() || f.GetNodes()[0].GetStatus() != statusError ||
		f.GetNodes()[1].GetStatus() != statusOK ||
		strings.Contains(f.GetNodes()[0].GetMessage(), "boom") {
		t.Errorf("%v", sent)
	}
	if c := n.controls(); len(c) != 1 || c[0].Nodes["z"] != "OK" || c[0].Matched != 2 {
		t.Errorf("recorded %+v", c)
	}
	_, err = n.CountConnections(t.Context(), &pb.CountConnectionsRequest{Scope: &pb.Scope{Local: true}})
	expectFailure(t, n.ErrorOf(err), codes.Internal, "PANIC")
}

// TestShortDeadline checks that a caller whose deadline comes before the nodes' gets the answers so far, whether
// another node is slow or this one. The time for other nodes does not cut off this node's part.
func TestShortDeadline(t *testing.T) {
	slow := make(map[string]bool)
	until := make(map[string]time.Time) // when the slow part must be done
	late := func(ctx context.Context, node string) bool {
		if slow[node] {
			until[node], _ = ctx.Deadline()
			<-ctx.Done()
		}
		return slow[node]
	}
	n := amongWith(t, func(s *server.Server) control.Gateway {
		return broken{s, func(ctx context.Context) error {
			if late(ctx, "m") {
				return ctx.Err()
			}
			return nil
		}}
	}, func(ctx context.Context, a fleet.Asked) fleet.Answer {
		if late(ctx, a.Node) {
			return fleet.Answer{Status: statusTimedOut}
		}
		return ok(&pb.CountConnectionsResponse{Count: 1})
	}, other("a", live))
	for _, node := range []string{"a", "m"} {
		clear(slow)
		slow[node] = true
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		r, err := n.CountConnections(ctx,
			&pb.CountConnectionsRequest{Scope: &pb.Scope{NodeTimeout: durationpb.New(time.Minute)}})
		check(t, err)
		if deadline, _ := ctx.Deadline(); until[node].IsZero() || deadline.Sub(until[node]) < 50*time.Millisecond {
			t.Errorf("%s is slow: it has until %s, and the caller goes at %s", node, until[node], deadline)
		}
		cancel()
		for _, of := range r.GetFleet().GetNodes() {
			if (of.GetStatus() == statusTimedOut) != (of.GetNode() == node) ||
				(of.GetStatus() == statusOK) == (of.GetNode() == node) {
				t.Errorf("%s is slow: %v", node, of)
			}
		}
	}
	clear(slow)
	waited := n.asked[len(n.asked)-1].Wait
	if waited > 200*time.Millisecond || waited <= 0 {
		t.Errorf("waits %s", waited)
	}
}

// TestWrong checks when a request that nodes refuse is an error of the call, and when the call reports the work that
// others did or may have done.
func TestWrong(t *testing.T) {
	var of map[string]fleet.Answer
	n := among(t, func(_ context.Context, a fleet.Asked) fleet.Answer { return of[a.Node] }, other("a", live),
		other("b", live))
	invalid, full := failing(codes.InvalidArgument, "wrong"), failing(codes.ResourceExhausted, "TOO_MANY_BANS")
	for _, c := range []struct {
		a, b fleet.Answer
		want codes.Code
	}{
		{invalid, invalid, codes.InvalidArgument},
		{invalid, ok(&pb.AddBanResponse{}), codes.OK},
		{invalid, fleet.Answer{Status: statusUnreachable}, codes.InvalidArgument},
		{fleet.Answer{Status: statusUnreachable}, invalid, codes.InvalidArgument},
		{invalid, fleet.Answer{Status: statusTimedOut}, codes.OK},
		{invalid, fleet.Answer{Status: statusLeft}, codes.OK},
		{invalid, failing(codes.Internal, "panic"), codes.OK},
		{invalid, failing(codes.Unknown, "what"), codes.OK},
		{invalid, full, codes.InvalidArgument},
		{full, full, codes.ResourceExhausted},
		{full, fleet.Answer{Status: statusDenied, Err: status.Error(codes.PermissionDenied, "no")}, codes.OK},
		{fleet.Answer{Status: statusUnreachable}, fleet.Answer{Status: statusUnreachable}, codes.OK},
	} {
		of = map[string]fleet.Answer{"a": c.a, "b": c.b}
		before := len(n.controls())
		r, err := n.AddBan(t.Context(), &pb.AddBanRequest{Target: "192.0.2.1", Scope: &pb.Scope{Nodes: []string{"a", "b"}}})
		if got := status.Code(n.ErrorOf(err)); got != c.want {
			t.Errorf("%v, %v: %v %v; expected %s", c.a, c.b, r, err, c.want)
		}
		recorded := len(n.controls()) - before
		if want := c.want != codes.InvalidArgument; (recorded == 1) != want {
			t.Errorf("%v, %v: recorded %d times", c.a, c.b, recorded)
		}
		if err == nil && r.GetFleet().GetComplete() {
			t.Error(r)
		}
	}
	of = map[string]fleet.Answer{"a": full, "b": full}
	_, err := n.AddBan(t.Context(), &pb.AddBanRequest{Target: "192.0.2.1", Scope: &pb.Scope{Nodes: []string{"a", "b"}}})
	// with details, although the node gave none
	expectFailure(t, n.ErrorOf(err), codes.ResourceExhausted, "NODE_REFUSED", "node a", "TOO_MANY_BANS")
}

// TestOnlyNode checks that in a fleet without another known node an error of this node is the call's error.
func TestOnlyNode(t *testing.T) {
	n := amongWith(t, func(s *server.Server) control.Gateway {
		return broken{s, func(context.Context) error { return server.ErrTooManyBans }}
	}, nil)
	_, err := n.AddBan(t.Context(), &pb.AddBanRequest{Target: "192.0.2.1"})
	expectFailure(t, n.ErrorOf(err), codes.ResourceExhausted, "TOO_MANY_BANS")
}

// TestReplayed checks when a broadcast returns an earlier answer, and that earlier work is not recorded again.
func TestReplayed(t *testing.T) {
	replayed := map[string]bool{"a": true, "b": true}
	n := among(t, func(_ context.Context, a fleet.Asked) fleet.Answer {
		return ok(&pb.BroadcastResponse{Matched: 1, Written: 1, Replayed: replayed[a.Node]})
	}, other("a", live), other("b", live))
	send := func() *pb.BroadcastResponse {
		r, err := n.Broadcast(t.Context(), &pb.BroadcastRequest{Data: []byte("x"), Scope: &pb.Scope{Nodes: []string{"a",
			"b"}}})
		check(t, err)
		return r
	}
	if r := send(); !r.GetReplayed() || r.GetMatched() != 2 || len(n.controls()) != 0 {
		t.Errorf("%v, recorded %d", r, len(n.controls()))
	}
	for _, first := range []string{"a", "b"} {
		clear(replayed)
		replayed[first] = true
		before := len(n.controls())
		if r := send(); r.GetReplayed() || r.GetMatched() != 2 {
			t.Error(r)
		}
		if c := n.controls(); len(c) != before+1 || c[before].Matched != 1 || len(c[before].Nodes) != 1 ||
			c[before].Nodes[first] != "" {
			t.Errorf("recorded %+v", c)
		}
	}
}

// TestAuditIsBounded checks that the record of a call of a thousand nodes has a hundred of them, failed nodes first.
func TestAuditIsBounded(t *testing.T) {
	var members []member.Member
	for i := range 1000 {
		members = append(members, other(fmt.Sprintf("n%04d", i), live))
	}
	n := among(t, func(_ context.Context, a fleet.Asked) fleet.Answer {
		if a.Node == "n0999" {
			return fleet.Answer{Status: statusTimedOut}
		}
		return ok(&pb.BroadcastResponse{})
	}, members...)
	_, err := n.Broadcast(t.Context(), &pb.BroadcastRequest{Data: []byte("x")})
	check(t, err)
	if c := n.controls(); len(c) != 2 || len(c[1].Nodes) != fleet.MaxFailures || c[1].Nodes["n0999"] != "TIMED_OUT" ||
		c[1].Nodes["m"] != "" {
		t.Errorf("recorded %+v", c)
	}
}

// TestMergedGroups checks that the largest thousand groups of all nodes are named, and the rest counted.
func TestMergedGroups(t *testing.T) {
	n := among(t, func(_ context.Context, a fleet.Asked) fleet.Answer {
		r := &pb.CountConnectionsResponse{Other: 5, TotalSize: 3}
		for i := range 1000 {
			r.Groups = append(r.Groups, &pb.ConnectionGroup{Value: fmt.Sprintf("%s-%04d", a.Node, i), Count: 2})
			r.Count += 2
		}
		r.Groups = append(r.Groups, &pb.ConnectionGroup{Value: "both", Count: 1})
		r.Count += 1 + r.Other
		return ok(r)
	}, other("a", live), other("b", live))
	r, err := n.CountConnections(t.Context(), &pb.CountConnectionsRequest{By: "labels.x"})
	check(t, err)
	var sum uint64
	for _, g := range r.GetGroups() {
		sum += g.GetCount()
	}
	g := r.GetGroups()
	if len(g) != 1000 || g[0].GetValue() != "a-0000" || g[999].GetValue() != "a-0999" || g[0].GetCount() != 2 ||
		sum+r.GetOther() != r.GetCount() ||
		r.GetCount() != 4012 || r.GetTotalSize() != 6 {
		t.Errorf("%d groups, %d in them, %d others, %d in all", len(g), sum, r.GetOther(), r.GetCount())
	}
}

// TestAlone checks that other nodes get the request with a scope of their own, and that its bytes are not copied for
// that.
func TestAlone(t *testing.T) {
	r := &pb.BroadcastRequest{Data: []byte("data"), Filter: "true", ExcludeIds: []string{"a.1.1"},
		Scope: &pb.Scope{Nodes: []string{"a"}, RequireAll: true}}
	got := fleet.Alone(r)
	want := proto.CloneOf(r)
	want.Scope = &pb.Scope{Local: true}
	if !proto.Equal(got, want) || &got.Data[0] != &r.Data[0] || r.GetScope().GetLocal() {
		t.Errorf("%v of %v", got, r)
	}
}

// TestMessagesAreShort checks that a node's message is bounded, in whole characters.
func TestMessagesAreShort(t *testing.T) {
	n := among(t, func(context.Context, fleet.Asked) fleet.Answer {
		return fleet.Answer{Status: statusUnreachable, Message: "a" + strings.Repeat("ü", 300)}
	}, other("a", live))
	r, err := n.CountConnections(t.Context(), &pb.CountConnectionsRequest{})
	check(t, err)
	if m := r.GetFleet().GetNodes()[0].GetMessage(); len(m) != 299 || !strings.HasSuffix(m, "ü") {
		t.Errorf("%d bytes: %s", len(m), m)
	}
}

// TestWaits checks how a verb's own waiting extends the nodes' time.
func TestWaits(t *testing.T) {
	n := among(t, func(context.Context, fleet.Asked) fleet.Answer { return fleet.Answer{Status: statusTimedOut} },
		other("b", live))
	scope := &pb.Scope{NodeTimeout: durationpb.New(2 * time.Second)}
	filter := &pb.Scope{Nodes: []string{"b"}, NodeTimeout: scope.NodeTimeout}
	for _, c := range []struct {
		call func() error
		want time.Duration
	}{
		{func() error {
			_, err := n.Send(t.Context(), &pb.SendRequest{Id: "b.2.1", Data: []byte("x")})
			return err
		}, 5 * time.Second},
		{func() error {
			_, err := n.Send(t.Context(), &pb.SendRequest{Id: "b.2.1", Wait: pb.SendWait_SEND_WAIT_WRITTEN, Scope: scope})
			return err
		}, 7 * time.Second},
		{func() error {
			_, err := n.Send(t.Context(), &pb.SendRequest{Id: "b.2.1", Wait: pb.SendWait_SEND_WAIT_WRITTEN,
				WaitTimeout: durationpb.New(time.Second), Scope: scope})
			return err
		}, 3 * time.Second},
		{func() error {
			_, err := n.Kick(t.Context(), &pb.KickRequest{ConnectionIds: []string{"b.2.1"}, Scope: scope})
			return err
		}, 3 * time.Second},
		{func() error {
			_, err := n.Kick(t.Context(), &pb.KickRequest{Filter: "true", FlushTimeout: durationpb.New(30 * time.Second),
				Scope: filter})
			return err
		}, 32 * time.Second},
		{func() error { _, err := n.ListNodes(t.Context(), &pb.ListNodesRequest{Scope: scope}); return err }, time.Second},
		{func() error {
			_, err := n.CountConnections(t.Context(), &pb.CountConnectionsRequest{Scope: filter})
			return err
		}, 2 * time.Second},
	} {
		n.asked = nil
		check(t, c.call())
		if len(n.asked) != 1 || n.asked[0].Wait != c.want {
			t.Errorf("%v; expected to wait %s", n.asked, c.want)
		}
	}
}

// TestForgetScope checks which nodes are told about a node that is to be forgotten.
func TestForgetScope(t *testing.T) {
	n := among(t, func(context.Context, fleet.Asked) fleet.Answer { return fleet.Answer{Status: statusOK} },
		other("a", live), other("b", left), other("c", unreachable))
	r, err := n.ForgetNode(t.Context(), &pb.ForgetNodeRequest{Node: "c"})
	check(t, err)
	expectComplete(t, r.GetFleet(), "a", "m")
	if len(n.asked) != 1 || string(n.asked[0].Body) != "c" || r.GetNode().GetName() != "c" {
		t.Errorf("%v %v", n.asked, r)
	}
	r, err = n.ForgetNode(t.Context(), &pb.ForgetNodeRequest{Node: "b", Scope: &pb.Scope{Local: true}})
	check(t, err)
	expectComplete(t, r.GetFleet(), "m")
	if len(n.asked) != 1 {
		t.Error(n.asked)
	}
}
