package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/handler"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// bench is a node whose gateway is real, and whose fellows say what the test has them say.
type bench struct {
	*Node
	server  *server.Server
	members []Member                          // this one included, in the order of their names
	answers func(m Member, q question) answer // of a node
	asked   []string                          // who was asked, in order
	waits   []time.Duration                   // how long each had to answer
}

// newBench returns the node a of a fleet, and others.
func newBench(t *testing.T, others ...string) *bench {
	s, err := server.New(server.Config{Node: "a", Listeners: []server.ListenerConfig{{Name: "main", Address: "127.0.0.1:0"}}, Handler: handler.Echo{}})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{server: s}
	n, err := New(Config{Fleet: "test", Bus: quiet{}, Self: s})
	if err != nil {
		t.Fatal(err)
	}
	b.Node = n
	control.New(s, control.Config{Fleet: func(l *control.Local) pb.GatewayServiceServer { return n.Serve(l) }})
	n.roster, n.asker = b, b
	b.members = []Member{{Origin: s.Cursor().Origin, Self: true, State: pb.NodeState_NODE_STATE_LIVE}}
	for _, name := range others {
		b.members = append(b.members, Member{Origin: event.Origin{Node: name, Incarnation: "10"}, State: pb.NodeState_NODE_STATE_LIVE, Connections: 7, Head: 9})
	}
	return b
}

// quiet is a bus on which nothing is heard.
type quiet struct{ Bus }

func (quiet) Status() BusStatus { return BusStatus{Mode: "test", Connected: true} }

func (b *bench) self() Member             { return b.members[0] }
func (b *bench) all() []Member            { return slices.Clone(b.members) }
func (b *bench) known() []Member          { return slices.Clone(b.members) }
func (b *bench) changed() <-chan struct{} { return nil }
func (b *bench) find(name string) (Member, bool) {
	for _, m := range b.members {
		if m.Node == name {
			return m, true
		}
	}
	return Member{}, false
}
func (b *bench) forget(string) (Member, error)                   { return Member{}, errors.New("not here") }
func (b *bench) follow(context.Context, Member, question) stream { return nil }
func (b *bench) ask(_ context.Context, to []Member, q question) []answer {
	var all []answer
	for _, m := range to {
		b.asked, b.waits = append(b.asked, m.Node), append(b.waits, q.wait)
		a := b.answers(m, q)
		a.node = m.Node
		all = append(all, a)
	}
	return all
}

// noError ends a test that cannot go on.
func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// did is an answer with a response.
func did(t *testing.T, response proto.Message) answer {
	body, err := proto.Marshal(response)
	if err != nil {
		t.Error(err)
	}
	return answer{status: pb.NodeStatus_NODE_STATUS_OK, body: body}
}

// controls returns what the node has recorded.
func (b *bench) controls(t *testing.T) []*event.ControlDetail {
	sub, err := b.server.Subscribe(server.SubscribeRequest{After: "0", Types: event.Types(0).With(event.Control)})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	var all []*event.ControlDetail
	for _, e := range sub.Poll(nil) {
		all = append(all, e.Detail.(*event.ControlDetail))
	}
	return all
}

// TestEachStatus holds what each thing that can become of a request on a node makes of a caller's reply.
func TestEachStatus(t *testing.T) {
	const words = "the words of b"
	for _, c := range []struct {
		answer   answer
		answered uint32
		outcome  pb.Outcome
		reason   string // of GetGateway; empty: the node's own error
	}{
		{answer{status: pb.NodeStatus_NODE_STATUS_TIMED_OUT}, 0, pb.Outcome_OUTCOME_UNKNOWN, "NODE_TIMED_OUT"},
		{answer{status: pb.NodeStatus_NODE_STATUS_UNREACHABLE}, 0, pb.Outcome_OUTCOME_NODE_UNREACHABLE, "NODE_UNREACHABLE"},
		{answer{status: pb.NodeStatus_NODE_STATUS_LEFT}, 0, pb.Outcome_OUTCOME_UNKNOWN, "NODE_UNREACHABLE"},
		{answer{status: pb.NodeStatus_NODE_STATUS_OVERLOADED}, 1, pb.Outcome_OUTCOME_NODE_REFUSED, "NODE_REFUSED"},
		{answer{status: pb.NodeStatus_NODE_STATUS_UNSUPPORTED}, 1, pb.Outcome_OUTCOME_NODE_REFUSED, "NODE_REFUSED"},
		{answer{status: pb.NodeStatus_NODE_STATUS_DENIED, err: status.Error(codes.PermissionDenied, words)}, 1, pb.Outcome_OUTCOME_NODE_REFUSED, "NODE_REFUSED"},
		{answer{status: pb.NodeStatus_NODE_STATUS_RESTARTED}, 1, pb.Outcome_OUTCOME_NODE_RESTARTED, "NODE_UNREACHABLE"},
	} {
		t.Run(statusName(c.answer.status), func(t *testing.T) {
			b := newBench(t, "b")
			c.answer.message = words
			b.answers = func(Member, question) answer { return c.answer }
			incomplete := func(what string, r *pb.FleetResult, others uint32) {
				last := r.GetNodes()[len(r.GetNodes())-1]
				if r.GetComplete() || r.GetExpected() != 1+others || r.GetAnswered() != c.answered+others || last.GetNode() != "b" ||
					last.GetStatus() != c.answer.status || last.GetMessage() != words || len(last.GetCounts()) > 0 {
					t.Errorf("%s: %v", what, r)
				}
			}
			counted, err := b.CountConnections(t.Context(), &pb.CountConnectionsRequest{})
			noError(t, err)
			incomplete("count", counted.GetFleet(), 1)
			_, err = b.CountConnections(t.Context(), &pb.CountConnectionsRequest{Scope: &pb.Scope{RequireAll: true}})
			if p := new(problem); !errors.As(err, &p) || p.reason != reasonNodesMissing || p.code != codes.Unavailable || p.metadata["missing"] != "b" ||
				!strings.Contains(p.text, "b ("+statusName(c.answer.status)+")") {
				t.Errorf("require_all: %v", err)
			}
			kicked, err := b.Kick(t.Context(), &pb.KickRequest{ConnectionIds: []string{"b.10.5", "nonsense"}})
			noError(t, err)
			incomplete("kick", kicked.GetFleet(), 1)
			labeled, err := b.SetLabels(t.Context(), &pb.SetLabelsRequest{ConnectionIds: []string{"b.10.5"}, Set: map[string]string{"k": "v"}})
			noError(t, err)
			incomplete("label", labeled.GetFleet(), 0)
			sent, err := b.Send(t.Context(), &pb.SendRequest{Id: "b.10.5", Data: []byte("x")})
			noError(t, err)
			incomplete("send", sent.GetFleet(), 0)
			for _, o := range []pb.Outcome{kicked.GetOutcomes()[0].GetOutcome(), labeled.GetOutcomes()[0].GetOutcome(), sent.GetOutcome()} {
				if o != c.outcome {
					t.Errorf("outcome %s; expected %s", o, c.outcome)
				}
			}
			if kicked.GetMatched() != 2 || kicked.GetKicked() != 0 || kicked.GetOutcomes()[1].GetOutcome() != pb.Outcome_OUTCOME_MALFORMED_ID {
				t.Error(kicked)
			}
			_, err = b.GetGateway(t.Context(), &pb.GetGatewayRequest{Scope: &pb.Scope{Nodes: []string{"b"}}})
			if p := new(problem); !errors.As(err, &p) || p.code != codes.Unavailable || p.reason != c.reason || !strings.Contains(p.text, words) {
				t.Errorf("info: %v", err)
			}
			var recorded int
			for _, d := range b.controls(t) {
				if d.Nodes["b"] == statusName(c.answer.status) && d.Outcomes[outcomeName(c.outcome)] == 1 && d.Matched == 1 {
					recorded++
				}
			}
			if recorded != 3 {
				t.Errorf("%d records of what b did not do; expected 3", recorded)
			}
		})
	}
}

// rowsOf is a page of a node's rows.
func rowsOf(node string, rows int, next string) *pb.ListConnectionsResponse {
	r := &pb.ListConnectionsResponse{NextPageToken: next}
	for i := range rows {
		r.Connections = append(r.Connections, &pb.Connection{Id: fmt.Sprintf("%s.10.%d", node, i+1)})
	}
	return r
}

// walkThrough lists all pages, and returns how many rows there were of each node, and what became of each, in order.
func (b *bench) walkThrough(t *testing.T, r *pb.ListConnectionsRequest) (rows map[string]int, became string) {
	rows = make(map[string]int)
	for {
		page, err := b.ListConnections(t.Context(), r)
		noError(t, err)
		encoded, err := proto.Marshal(page) // as it goes to the caller
		noError(t, err)
		noError(t, proto.Unmarshal(encoded, page))
		for _, c := range page.GetConnections() {
			rows[strings.Split(c.GetId(), ".")[0]]++
		}
		for _, n := range page.GetFleet().GetNodes() {
			became += " " + n.GetNode() + ":" + statusName(n.GetStatus())
		}
		became += ";"
		if r.PageToken = page.GetNextPageToken(); r.PageToken == "" {
			return rows, became
		}
	}
}

// TestWalkPassesOver holds that a node that does not answer is named on the page on which it should have, and that the walk goes on behind it:
// at its beginning, and in the midst of its rows.
func TestWalkPassesOver(t *testing.T) {
	wrong := answer{status: pb.NodeStatus_NODE_STATUS_ERROR, err: status.Error(codes.InvalidArgument, "it does not know this filter, or this token")}
	garbled := answer{status: pb.NodeStatus_NODE_STATUS_OK, body: []byte{0x0a, 0x7f, 1}}
	for _, c := range []struct {
		of           answer // b's
		first, midst string
	}{
		{answer{status: pb.NodeStatus_NODE_STATUS_UNREACHABLE}, "UNREACHABLE", "UNREACHABLE"},
		{answer{status: pb.NodeStatus_NODE_STATUS_RESTARTED}, "RESTARTED", "RESTARTED"},
		{answer{status: pb.NodeStatus_NODE_STATUS_OVERLOADED}, "OVERLOADED", "OVERLOADED"},
		{wrong, "ERROR", "RESTARTED"}, // its own token is not good any more: it is another life
		{garbled, "ERROR", "ERROR"},
	} {
		for _, midst := range []bool{false, true} {
			b := newBench(t, "b", "c")
			b.answers = func(m Member, q question) answer {
				r := new(pb.ListConnectionsRequest)
				noError(t, proto.Unmarshal(q.body, r))
				switch {
				case m.Node == "c":
					return did(t, rowsOf("c", 2, ""))
				case midst && r.GetPageToken() == "":
					return did(t, rowsOf("b", 3, "the token of b"))
				}
				return c.of
			}
			rows, became := b.walkThrough(t, &pb.ListConnectionsRequest{PageSize: 3})
			want, inB := " a:OK b:"+c.first+"; c:OK;", 0
			if midst {
				want, inB = " a:OK b:OK; b:"+c.midst+" c:OK;", 3
			}
			if became != want || rows["b"] != inB || rows["c"] != 2 {
				t.Errorf("midst %t:%s %v; expected%s", midst, became, rows, want)
			}
		}
	}
}

// TestWalkHasTime holds that no node is passed over because the one before it took the time of the page: the next page asks it.
func TestWalkHasTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, took := range []time.Duration{time.Second, 3 * time.Second, 4 * time.Second} { // of 5 s, or of the caller's 6 s less the margin
			b := newBench(t, "b", "c")
			b.members = b.members[1:] // a has nothing to say here
			b.members[0].Self, b.members[1].Self = false, false
			b.answers = func(m Member, _ question) answer {
				time.Sleep(took)
				return did(t, rowsOf(m.Node, 1, ""))
			}
			page, err := b.ListConnections(t.Context(), &pb.ListConnectionsRequest{})
			noError(t, err)
			if both := took < defaultWait/2; (len(b.asked) == 2) != both || (page.GetNextPageToken() == "") != both {
				t.Errorf("%s: %v were asked", took, b.asked)
			}
		}
	})
}

// TestTimeToAnswer holds how long other nodes have to answer: what the scope says, and what the verb waits for by itself; but not until the
// caller has gone.
func TestTimeToAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "b")
		b.answers = func(Member, question) answer { return answer{status: pb.NodeStatus_NODE_STATUS_OVERLOADED} }
		soon := &pb.Scope{NodeTimeout: durationpb.New(2 * time.Second)}
		limited, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for i, c := range []struct {
			call func() error
			wait time.Duration
		}{
			{func() error { _, err := b.CountConnections(t.Context(), &pb.CountConnectionsRequest{}); return err }, 5 * time.Second},
			{func() error {
				_, err := b.CountConnections(t.Context(), &pb.CountConnectionsRequest{Scope: soon})
				return err
			}, 2 * time.Second},
			{func() error { _, err := b.CountConnections(limited, &pb.CountConnectionsRequest{}); return err }, 950 * time.Millisecond},
			{func() error { _, err := b.Kick(t.Context(), &pb.KickRequest{Filter: "true", Scope: soon}); return err }, 3 * time.Second},
			{func() error {
				_, err := b.Kick(t.Context(), &pb.KickRequest{ConnectionIds: []string{"b.10.1"}, FlushTimeout: durationpb.New(20 * time.Second), Scope: soon})
				return err
			}, 22 * time.Second},
			{func() error { _, err := b.Send(t.Context(), &pb.SendRequest{Id: "b.10.1", Scope: soon}); return err }, 2 * time.Second},
			{func() error {
				_, err := b.Send(t.Context(), &pb.SendRequest{Id: "b.10.1", Wait: pb.SendWait_SEND_WAIT_WRITTEN, Scope: soon})
				return err
			}, 7 * time.Second},
			{func() error {
				_, err := b.Send(t.Context(), &pb.SendRequest{Id: "b.10.1", Wait: pb.SendWait_SEND_WAIT_WRITTEN, WaitTimeout: durationpb.New(time.Second), Scope: soon})
				return err
			}, 3 * time.Second},
			{func() error { _, err := b.ListNodes(t.Context(), &pb.ListNodesRequest{}); return err }, time.Second},
		} {
			b.waits = nil
			noError(t, c.call())
			if len(b.waits) != 1 || b.waits[0] != c.wait {
				t.Errorf("call %d: %v; expected %s", i, b.waits, c.wait)
			}
		}
	})
}

// TestMergedCount holds that groups of nodes add up, that the largest are returned in their order, and that nothing is lost with the others.
func TestMergedCount(t *testing.T) {
	b := newBench(t, "b", "c")
	b.answers = func(m Member, _ question) answer {
		r := &pb.CountConnectionsResponse{Count: 10, TotalSize: 20, Other: 10, Cursor: m.Node + ".10@42"}
		for i := range 700 {
			g := &pb.ConnectionGroup{Value: fmt.Sprintf("%s-%03d", m.Node, i), Count: 2}
			r.Groups, r.Count = append(r.Groups, g), r.Count+2
		}
		r.Groups, r.Count = append(r.Groups, &pb.ConnectionGroup{Value: "both", Count: 2}), r.Count+2
		return did(t, r)
	}
	r, err := b.CountConnections(t.Context(), &pb.CountConnectionsRequest{By: "labels.k"})
	noError(t, err)
	sum := r.GetOther()
	for _, g := range r.GetGroups() {
		sum += g.GetCount()
	}
	first, last := r.GetGroups()[0], r.GetGroups()[len(r.GetGroups())-1]
	if r.GetCount() != 2*1412 || sum != r.GetCount() || len(r.GetGroups()) != 1000 || first.GetValue() != "both" || first.GetCount() != 4 || last.GetValue() != "c-298" {
		t.Errorf("%d, sum %d, %d groups from %v to %v", r.GetCount(), sum, len(r.GetGroups()), first, last)
	}
	if r.GetTotalSize() != 40 || !strings.HasSuffix(r.GetCursor(), ",b.10@42,c.10@42") {
		t.Errorf("%d, %s", r.GetTotalSize(), r.GetCursor())
	}
}

// TestMergedBroadcast holds that counts add up, that a hundred failures are named, of the first nodes first, and that an answer is an earlier
// one's only when it is on every node.
func TestMergedBroadcast(t *testing.T) {
	b := newBench(t, "b", "c")
	replayed := map[string]bool{"b": true, "c": true}
	b.answers = func(m Member, q question) answer {
		r := new(pb.BroadcastRequest)
		noError(t, proto.Unmarshal(q.body, r))
		if !proto.Equal(r.GetScope(), &pb.Scope{Local: true}) || string(r.GetData()) != "x" || q.method != pb.GatewayService_Broadcast_FullMethodName {
			t.Errorf("asked for %s %v", q.method, r)
		}
		a := &pb.BroadcastResponse{Matched: 100, Written: 20, Queued: 10, Dropped: 60, Closed: 10, Replayed: replayed[m.Node]}
		for i := range 70 {
			a.Failures = append(a.Failures, &pb.TargetOutcome{Id: fmt.Sprintf("%s.10.%d", m.Node, i+1), Outcome: pb.Outcome_OUTCOME_DROPPED_QUEUE_FULL})
		}
		return did(t, a)
	}
	scope := &pb.Scope{Nodes: []string{"c", "b"}}
	r, err := b.Broadcast(t.Context(), &pb.BroadcastRequest{Data: []byte("x"), Scope: scope})
	noError(t, err)
	if r.GetMatched() != 200 || r.GetWritten() != 40 || r.GetQueued() != 20 || r.GetDropped() != 120 || r.GetClosed() != 20 || !r.GetReplayed() ||
		len(r.GetFailures()) != 100 || r.GetFailures()[69].GetId() != "b.10.70" || r.GetFailures()[99].GetId() != "c.10.30" {
		t.Error(r)
	}
	for _, n := range r.GetFleet().GetNodes() {
		if c := n.GetCounts(); len(c) != 5 || c["matched"] != 100 || c["dropped"] != 60 {
			t.Error(n)
		}
	}
	replayed["b"] = false
	if r, err = b.Broadcast(t.Context(), &pb.BroadcastRequest{Data: []byte("x"), Scope: scope}); err != nil || r.GetReplayed() {
		t.Errorf("%v %v", r, err)
	}
}

// TestLimitsThatDoNotFit holds that a reply stays below what clients take, and that a node whose limits it has no room for is named.
func TestLimitsThatDoNotFit(t *testing.T) {
	b := newBench(t, "b", "c", "d", "e", "f")
	large := &pb.Limits{}
	for i := range 20_000 {
		large.Deny = append(large.Deny, fmt.Sprintf("2001:db8:%x:%x:cafe::/80", i/100, i%100))
	}
	b.answers = func(_ Member, q question) answer {
		if q.method == pb.GatewayService_GetLimits_FullMethodName {
			return did(t, &pb.GetLimitsResponse{Limits: large})
		}
		return did(t, &pb.UpdateLimitsResponse{Limits: large})
	}
	got, err := b.GetLimits(t.Context(), &pb.GetLimitsRequest{})
	noError(t, err)
	named := 0
	for _, n := range got.GetFleet().GetNodes() {
		if n.GetStatus() == pb.NodeStatus_NODE_STATUS_ERROR && strings.Contains(n.GetMessage(), "scope.nodes") {
			named++
		}
	}
	if size := proto.Size(got); size > 4<<20 || got.GetFleet().GetComplete() || named == 0 || len(got.GetNodes())+named != 6 || got.GetLimits() == nil {
		t.Errorf("%d bytes, %d nodes' limits, %d named, %v", size, len(got.GetNodes()), named, got.GetFleet())
	}
	changed, err := b.UpdateLimits(t.Context(), &pb.UpdateLimitsRequest{Scope: &pb.Scope{Nodes: []string{"b", "c", "d", "e", "f"}}})
	noError(t, err)
	if proto.Size(changed) > 4<<20 || !changed.GetFleet().GetComplete() || len(changed.GetNodes()) == 5 || changed.GetFleet().GetNodes()[4].GetMessage() == "" {
		t.Errorf("%d bytes, %d nodes' limits, %v", proto.Size(changed), len(changed.GetNodes()), changed.GetFleet())
	}
}

// TestShutdownOfAll holds that this node drains last, and has recorded by then what it asked of the others: its log ends with it.
func TestShutdownOfAll(t *testing.T) {
	b := newBench(t, "b", "c")
	later := time.Now().Add(time.Hour).Truncate(time.Second)
	b.answers = func(m Member, _ question) answer {
		select {
		case <-b.server.Draining():
			t.Errorf("%s is asked behind this node", m.Node)
		default:
		}
		return did(t, &pb.ShutdownResponse{Joined: true, Connections: 3, Deadline: timestamppb.New(later)})
	}
	var recorded int
	draining := &onDrain{Local: b.local, call: func() { recorded = len(b.controls(t)) }}
	b.local = draining
	r, err := b.Shutdown(t.Context(), &pb.ShutdownRequest{Reason: "why", Scope: &pb.Scope{All: true}})
	noError(t, err)
	if r.GetJoined() || r.GetConnections() != 6 || !r.GetDeadline().AsTime().Equal(later) || r.GetFleet().GetExpected() != 3 || recorded != 1 {
		t.Errorf("%v; %d records before this node drains", r, recorded)
	}
	if d := b.controls(t)[0]; d.Verb != "Shutdown" || d.Reason != "why" || d.Matched != 6 || len(d.Nodes) != 2 || d.Nodes["c"] != "OK" {
		t.Errorf("%+v", d)
	}
}

// onDrain calls back when its node is asked to drain.
type onDrain struct {
	Local
	call func()
}

func (o *onDrain) Shutdown(ctx context.Context, r *pb.ShutdownRequest) (*pb.ShutdownResponse, error) {
	o.call()
	return o.Local.Shutdown(ctx, r)
}

// TestBanned holds that what a Kick of several nodes banned is told as one node would: each target once, networks by their addresses.
func TestBanned(t *testing.T) {
	b := newBench(t, "b", "c")
	banned := map[string][]string{"b": {"9.0.0.1/32", "2001:db8::/64", "spiffe://b"}, "c": {"9.0.0.1/32", "10.0.0.1/32", "spiffe://a"}}
	b.answers = func(m Member, _ question) answer {
		return did(t, &pb.KickResponse{Matched: 3, Kicked: 3, Banned: banned[m.Node]})
	}
	r, err := b.Kick(t.Context(), &pb.KickRequest{Filter: "true", BanDuration: durationpb.New(time.Hour)})
	noError(t, err)
	if want := []string{"9.0.0.1/32", "10.0.0.1/32", "2001:db8::/64", "spiffe://a", "spiffe://b"}; !slices.Equal(r.GetBanned(), want) || r.GetKicked() != 6 {
		t.Errorf("%v; expected %v", r, want)
	}
}

// TestBansAreRecorded holds that a ban on other nodes is recorded as their own records have it.
func TestBansAreRecorded(t *testing.T) {
	b := newBench(t, "b")
	b.answers = func(_ Member, q question) answer {
		ban := &pb.Ban{Target: "192.0.2.1/32", Node: "b"}
		if q.method == pb.GatewayService_RemoveBan_FullMethodName {
			return did(t, &pb.RemoveBanResponse{Ban: ban})
		}
		return did(t, &pb.AddBanResponse{Ban: ban, Closed: 3, Durable: true})
	}
	added, err := b.AddBan(t.Context(), &pb.AddBanRequest{Target: "192.0.2.1", Reason: "why"})
	noError(t, err)
	if added.GetClosed() != 3 || added.GetDurable() || added.GetBan().GetNode() != "a" { // this node has no file
		t.Error(added)
	}
	_, err = b.RemoveBan(t.Context(), &pb.RemoveBanRequest{Target: "192.0.2.1"})
	noError(t, err)
	all := b.controls(t) // this node's own and the other's, of each verb
	for i, d := range all {
		if len(all) != 4 || d.Ban != "192.0.2.1/32" || (i%2 == 1) != (d.Nodes["b"] == "OK") || d.Verb == "AddBan" && d.Nodes != nil && (d.Outcomes["CLOSED"] != 3 || d.Matched != 3) {
			t.Errorf("record %d: %+v", i, d)
		}
	}
}
