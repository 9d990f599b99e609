package fleet_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/fleet"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestShutdownMerged checks that the other nodes are told first, and how their answers are merged: the latest deadline,
// the sum of connections, and joined only if every node joined a drain.
func TestShutdownMerged(t *testing.T) {
	late := time.Now().Add(time.Hour)
	for _, joined := range []string{"az", "a", "z"} {
		for _, latest := range []string{"a", "z"} {
			var n *scripted
			n = among(t, func(_ context.Context, a fleet.Asked) fleet.Answer {
				if len(n.asked) <= 2 { // requests of the first call
					select {
					case <-n.server.Draining():
						t.Error("this node drained before the others were told")
					default:
					}
				}
				deadline := late.Add(-time.Minute)
				if a.Node == latest {
					deadline = late
				}
				return ok(&pb.ShutdownResponse{Joined: strings.Contains(joined, a.Node), Deadline: timestamppb.New(deadline),
					Connections: 2})
			}, other("a", live), other("z", live))
			r := &pb.ShutdownRequest{GracePeriod: durationpb.New(time.Minute), Scope: &pb.Scope{All: true}}
			first, err := n.Shutdown(t.Context(), r)
			check(t, err)
			again, err := n.Shutdown(t.Context(), r)
			check(t, err)
			if first.GetJoined() || again.GetJoined() != (joined == "az") || first.GetConnections() != 4 ||
				!first.GetDeadline().AsTime().Equal(late) {
				t.Errorf("%s, %s: %v, %v", joined, latest, first, again)
			}
			expectComplete(t, first.GetFleet(), "a", "m", "z")
		}
	}
}

// TestBannedOnce checks that a target that several nodes banned is named once.
func TestBannedOnce(t *testing.T) {
	many := make([]string, 100)
	for i := range many {
		many[i] = fmt.Sprintf("192.0.2.%d/32", i)
	}
	of := map[string][]string{"a": {"10.0.0.2/32", "10.0.0.9/32"}, "b": {"10.0.0.1/32", "10.0.0.9/32"}}
	n := among(t, func(_ context.Context, a fleet.Asked) fleet.Answer {
		return ok(&pb.KickResponse{Banned: of[a.Node], Matched: 2, Kicked: 1, Closed: 1})
	}, other("a", live), other("b", live))
	kick := func() []string {
		r, err := n.Kick(t.Context(), &pb.KickRequest{Filter: "true", BanDuration: durationpb.New(time.Hour)})
		check(t, err)
		return r.GetBanned()
	}
	if got := kick(); !slices.Equal(got, []string{"10.0.0.1/32", "10.0.0.2/32", "10.0.0.9/32"}) {
		t.Error(got)
	}
	if c := n.controls(); c[len(c)-1].Ban != "1h0m0s" || c[len(c)-1].Outcomes["KICKED"] != 2 || c[len(c)-1].Matched != 4 {
		t.Errorf("recorded %+v", c[len(c)-1])
	}
	of["a"] = many
	if got := kick(); len(got) != 100 {
		t.Errorf("%d are named", len(got))
	}
}

// TestFailuresAreBounded checks that a reply about many names at most a hundred targets, and that work that was not
// done is not recorded.
func TestFailuresAreBounded(t *testing.T) {
	n := among(t, func(_ context.Context, a fleet.Asked) fleet.Answer {
		return ok(&pb.BroadcastResponse{Matched: 70, Dropped: 70,
			Failures: slices.Repeat([]*pb.TargetOutcome{{Id: a.Node + ".2.1"}}, 70)})
	}, other("a", live), other("b", live))
	r, err := n.Broadcast(t.Context(), &pb.BroadcastRequest{Data: []byte("x")})
	check(t, err)
	if len(r.GetFailures()) != 100 || r.GetDropped() != 140 {
		t.Errorf("%d failures, %d dropped", len(r.GetFailures()), r.GetDropped())
	}
	if c := n.controls(); len(c) != 2 || len(c[1].Outcomes) != 1 || c[1].Outcomes["DROPPED"] != 140 {
		t.Errorf("recorded %+v", c[1])
	}
}

// TestLocalTargets checks that with `local` no other node is asked about connections that others hold.
func TestLocalTargets(t *testing.T) {
	n := among(t, nil, other("b", live))
	local := &pb.Scope{Local: true}
	ids := append(n.connect(1), "b.2.1")
	kicked, err := n.Kick(t.Context(), &pb.KickRequest{ConnectionIds: ids, ValidateOnly: true, Scope: local})
	check(t, err)
	labeled, err := n.SetLabels(t.Context(), &pb.SetLabelsRequest{ConnectionIds: ids, Set: map[string]string{"a": "b"},
		Scope: local})
	check(t, err)
	if kicked.GetOutcomes()[0].GetOutcome() != pb.Outcome_OUTCOME_WOULD_KICK ||
		kicked.GetOutcomes()[1].GetOutcome() != pb.Outcome_OUTCOME_UNKNOWN_NODE ||
		labeled.GetOutcomes()[0].GetOutcome() != pb.Outcome_OUTCOME_LABELED ||
		labeled.GetOutcomes()[1].GetOutcome() != pb.Outcome_OUTCOME_UNKNOWN_NODE {
		t.Errorf("%v %v", kicked, labeled)
	}
	_, err = n.GetConnection(t.Context(), &pb.GetConnectionRequest{Id: "b.2.1", Scope: local})
	expectFailure(t, n.ErrorOf(err), codes.NotFound, "UNKNOWN_NODE")
}

// TestAuditOfOthers checks that the record of a call for this node and others contains the work of the others. This
// node has recorded its own part.
func TestAuditOfOthers(t *testing.T) {
	n := among(t, func(context.Context, fleet.Asked) fleet.Answer {
		return ok(&pb.KickResponse{Outcomes: []*pb.TargetOutcome{{Id: "b.2.1", Outcome: pb.Outcome_OUTCOME_CLOSED}},
			Matched: 1, Closed: 1})
	}, other("b", live))
	ids := append(n.connect(1), "b.2.1")
	_, err := n.Kick(t.Context(), &pb.KickRequest{ConnectionIds: ids, FlushTimeout: durationpb.New(time.Millisecond)})
	check(t, err)
	c := n.controls()
	if len(c) != 2 || c[0].Nodes != nil || c[0].Matched != 1 || len(c[1].Nodes) != 1 || c[1].Matched != 1 ||
		len(c[1].Outcomes) != 1 || c[1].Outcomes["CLOSED"] != 1 {
		t.Errorf("recorded %+v", c)
	}
}

// TestLabelsRefused checks that labels beyond the bound are told apart from labels that are set, wherever the
// connections are.
func TestLabelsRefused(t *testing.T) {
	n := among(t, func(context.Context, fleet.Asked) fleet.Answer {
		return ok(&pb.SetLabelsResponse{Outcomes: []*pb.TargetOutcome{{Id: "b.2.1",
			Outcome: pb.Outcome_OUTCOME_TOO_MANY_LABELS},
			{Id: "b.2.2", Outcome: pb.Outcome_OUTCOME_LABELED}, {Id: "b.2.3", Outcome: pb.Outcome_OUTCOME_CLOSED}}})
	}, other("b", live))
	r, err := n.SetLabels(t.Context(), &pb.SetLabelsRequest{ConnectionIds: []string{"b.2.1", "b.2.2", "b.2.3"},
		Set: map[string]string{"a": "b"}})
	check(t, err)
	if r.GetRefused() != 1 || r.GetLabeled() != 1 || r.GetClosed() != 1 || r.GetMatched() != 3 || r.GetNotFound() != 0 {
		t.Error(r)
	}
	if c := n.controls(); len(c) != 1 || c[0].Outcomes["TOO_MANY_LABELS"] != 1 || c[0].Set["a"] != "b" {
		t.Errorf("recorded %+v", c)
	}
}

// TestLivesAreNumbers checks that incarnations are compared as numbers.
func TestLivesAreNumbers(t *testing.T) {
	b := other("b", live)
	b.Incarnation = "10"
	n := among(t, func(context.Context, fleet.Asked) fleet.Answer {
		return ok(&pb.SendResponse{Outcome: pb.Outcome_OUTCOME_WRITTEN})
	}, b)
	for id, want := range map[string]pb.Outcome{"b.10.1": pb.Outcome_OUTCOME_WRITTEN,
		"b.9.1":   pb.Outcome_OUTCOME_NODE_RESTARTED,
		"b.010.1": pb.Outcome_OUTCOME_WRITTEN, // the same number: the node itself decides
		"b.11.1":  pb.Outcome_OUTCOME_NODE_UNREACHABLE, "b.100.1": pb.Outcome_OUTCOME_NODE_UNREACHABLE,
		"c.10.1": pb.Outcome_OUTCOME_UNKNOWN_NODE} {
		r, err := n.Send(t.Context(), &pb.SendRequest{Id: id, Data: []byte("x")})
		check(t, err)
		if r.GetOutcome() != want {
			t.Errorf("%s: %v; expected %s", id, r, want)
		}
	}
}

// TestCursorsOfScope checks that a cursor has an entry for exactly the nodes of the scope, each at the newest event
// that is known.
func TestCursorsOfScope(t *testing.T) {
	b, gone := other("b", live), other("c", unreachable)
	b.Head, gone.Head, b.Connections, gone.Connections = 7, 9, 5, 50
	n := among(t, func(_ context.Context, a fleet.Asked) fleet.Answer { return ok(&pb.CountConnectionsResponse{}) }, b,
		gone)
	n.connect(2)
	for _, c := range []struct {
		scope *pb.Scope
		want  string
		total int64
	}{{nil, "b.2@7,c.2@9," + n.server.Cursor().String(), 7}, {&pb.Scope{Nodes: []string{"b"}}, "b.2@7", 5},
		{&pb.Scope{Local: true}, n.server.Cursor().String(), 2}} {
		r, err := n.CountConnections(t.Context(), &pb.CountConnectionsRequest{Scope: c.scope})
		check(t, err)
		list := n.decodedPage(&pb.ListConnectionsRequest{Scope: c.scope})
		if r.GetCursor() != c.want || list.GetCursor() != c.want || list.GetTotalSize() != c.total {
			t.Errorf("%v: %s and %s, %d in all; expected %s, %d", c.scope, r.GetCursor(), list.GetCursor(), list.GetTotalSize(),
				c.want, c.total)
		}
	}
}

// TestWalkTokenBinding checks the parameters that must stay equal during a walk. The nodes must, also for bans. An
// unset state equals LIVE.
func TestWalkTokenBinding(t *testing.T) {
	n := among(t, func(_ context.Context, a fleet.Asked) fleet.Answer {
		if strings.HasSuffix(a.Method, "ListBans") {
			return ok(&pb.ListBansResponse{Bans: []*pb.Ban{{Target: "x", Node: a.Node}}, NextPageToken: "more", TotalSize: 4})
		}
		return page("more", "a.2.1")
	}, other("a", live), other("b", live))
	connections := n.decodedPage(&pb.ListConnectionsRequest{}).GetNextPageToken()
	n.decodedPage(&pb.ListConnectionsRequest{PageToken: connections, State: pb.ListState_LIST_STATE_LIVE})
	bans, err := n.ListBans(t.Context(), &pb.ListBansRequest{})
	check(t, err)
	if bans.GetTotalSize() != 4 {
		t.Error(bans)
	}
	for _, nodes := range [][]string{{"a"}, {"b"}} {
		_, err = n.ListBans(t.Context(), &pb.ListBansRequest{PageToken: bans.GetNextPageToken(),
			Scope: &pb.Scope{Nodes: nodes}})
		expectFailure(t, n.ErrorOf(err), codes.InvalidArgument, "PAGE_TOKEN_MISMATCH")
	}
	_, err = n.ListBans(t.Context(), &pb.ListBansRequest{PageToken: connections})
	expectFailure(t, n.ErrorOf(err), codes.InvalidArgument, "INVALID_PAGE_TOKEN")
	_, err = n.ListConnections(t.Context(), &pb.ListConnectionsRequest{PageToken: bans.GetNextPageToken()})
	expectFailure(t, n.ErrorOf(err), codes.InvalidArgument, "INVALID_PAGE_TOKEN")
	if r := n.decodedPage(&pb.ListConnectionsRequest{PageSize: 2000}); r == nil || asked(t, n).GetPageSize() != 1000 {
		t.Errorf("asked for %d rows", asked(t, n).GetPageSize())
	}
	if n.decodedPage(&pb.ListConnectionsRequest{}); asked(t, n).GetPageSize() != 100 {
		t.Errorf("asked for %d rows", asked(t, n).GetPageSize())
	}
}

// asked returns the newest request that another node got.
func asked(t *testing.T, n *scripted) *pb.ListConnectionsRequest {
	r := &pb.ListConnectionsRequest{}
	check(t, proto.Unmarshal(n.asked[len(n.asked)-1].Body, r))
	return r
}

// TestNodesTable checks which nodes a table lists, and which of them have a round trip.
func TestNodesTable(t *testing.T) {
	n := among(t, func(_ context.Context, a fleet.Asked) fleet.Answer {
		if a.Node == "a" {
			return fleet.Answer{Status: statusTimedOut, Elapsed: time.Second}
		}
		return fleet.Answer{Status: statusOK, Elapsed: time.Millisecond}
	}, other("a", suspect), other("b", live), other("l", left))
	table := func(s *pb.Scope) (names []string, r *pb.ListNodesResponse) {
		r, err := n.ListNodes(t.Context(), &pb.ListNodesRequest{Scope: s})
		check(t, err)
		for _, row := range r.GetNodes() {
			name := row.GetName()
			if row.GetRoundTrip() != nil {
				name += "!"
			}
			names = append(names, name)
		}
		return names, r
	}
	names, r := table(nil)
	if !slices.Equal(names, []string{"a", "b!", "l", "m"}) || r.GetFleet().GetComplete() ||
		r.GetFleet().GetExpected() != 3 {
		t.Error(r)
	}
	if self := r.GetNodes()[3]; !self.GetSelf() || self.GetAllowed() != pb.Role_ROLE_ADMIN || self.GetLastSeen() != nil ||
		self.GetRoundTrip() != nil {
		t.Error(self)
	}
	if names, _ = table(&pb.Scope{Nodes: []string{"b"}}); !slices.Equal(names, []string{"b!"}) {
		t.Error(names)
	}
	before := len(n.asked)
	if names, r = table(&pb.Scope{Local: true}); !slices.Equal(names, []string{"a", "b", "l", "m"}) ||
		len(n.asked) != before || !r.GetFleet().GetComplete() {
		t.Error(r)
	}
}

// TestAnswered checks which nodes count as having answered, and which as having succeeded.
func TestAnswered(t *testing.T) {
	var a fleet.Answer
	n := among(t, func(context.Context, fleet.Asked) fleet.Answer { return a }, other("a", live))
	for _, c := range []struct {
		answer   fleet.Answer
		status   pb.NodeStatus
		answered uint32
	}{
		{ok(&pb.CountConnectionsResponse{}), statusOK, 2},
		{fleet.Answer{Status: statusOK, Body: []byte{0xff}}, statusError, 2},
		{fleet.Answer{Status: statusTimedOut}, statusTimedOut, 1},
		{fleet.Answer{Status: statusUnreachable}, statusUnreachable, 1},
		{fleet.Answer{Status: statusLeft}, statusLeft, 1},
		{fleet.Answer{Status: statusRestarted}, statusRestarted, 2},
		{fleet.Answer{Status: statusOverloaded}, statusOverloaded, 2},
		{fleet.Answer{Status: statusDenied}, statusDenied, 2},
		{failing(codes.Internal, "x"), statusError, 2},
	} {
		a = c.answer
		r, err := n.CountConnections(t.Context(), &pb.CountConnectionsRequest{})
		check(t, err)
		f := r.GetFleet()
		if f.GetNodes()[0].GetStatus() != c.status || f.GetAnswered() != c.answered || f.GetExpected() != 2 ||
			f.GetComplete() != (c.status == statusOK) {
			t.Errorf("%v: %v", a, f)
		}
		_, err = n.CountConnections(t.Context(), &pb.CountConnectionsRequest{Scope: &pb.Scope{RequireAll: true}})
		if c.status == statusOK {
			check(t, err)
		} else {
			expectFailure(t, n.ErrorOf(err), codes.Unavailable, "NODES_MISSING", "1 of 2", "a (")
		}
	}
}

// TestLocalDeadline checks that a call for this node alone reports an exceeded deadline as without a fleet.
func TestLocalDeadline(t *testing.T) {
	n := amongWith(t, func(s *server.Server) control.Gateway {
		return broken{s, func(context.Context) error { return context.DeadlineExceeded }}
	}, nil)
	_, err := n.CountConnections(t.Context(), &pb.CountConnectionsRequest{Scope: &pb.Scope{Local: true}})
	expectFailure(t, n.ErrorOf(err), codes.DeadlineExceeded, "DEADLINE_EXCEEDED")
}

// TestGetGatewayAsksOne checks that a gateway describes itself unless another is named, and that no third node is
// asked.
func TestGetGatewayAsksOne(t *testing.T) {
	n := among(t, func(_ context.Context, a fleet.Asked) fleet.Answer {
		if a.Node == "z" {
			return fleet.Answer{Status: statusOverloaded, Message: "too much to do"}
		}
		return ok(&pb.GetGatewayResponse{Node: a.Node, Incarnation: "2"})
	}, other("a", live), other("z", live))
	n.bus.Connect(false) // must not matter for this call
	own, err := n.GetGateway(t.Context(), &pb.GetGatewayRequest{})
	check(t, err)
	if own.GetNode() != "m" || len(n.asked) != 0 || own.GetFleetInfo().GetConnected() ||
		own.GetFleetInfo().GetProblem() == "" || own.GetFleetInfo().GetNodes() != 3 {
		t.Error(own)
	}
	expectComplete(t, own.GetFleet(), "m")
	of, err := n.GetGateway(t.Context(), &pb.GetGatewayRequest{Scope: &pb.Scope{Nodes: []string{"a"}}})
	check(t, err)
	expectComplete(t, of.GetFleet(), "a")
	_, err = n.GetGateway(t.Context(), &pb.GetGatewayRequest{Scope: &pb.Scope{Nodes: []string{"z"}}})
	expectFailure(t, n.ErrorOf(err), codes.Unavailable, "NODE_REFUSED", "node z", "too much to do")
	_, err = n.GetGateway(t.Context(), &pb.GetGatewayRequest{Scope: &pb.Scope{Nodes: []string{"a", "z"}}})
	expectFailure(t, n.ErrorOf(err), codes.InvalidArgument, "NODE_REQUIRED")
}
