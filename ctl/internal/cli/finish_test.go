package cli

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sockgate/sockgate/ctl/internal/app"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// fleetStream is a fleet whose nodes have events: it scripts the stream, and the nodes' states meanwhile.
type fleetStream struct {
	end     string                     // the cursor of now
	absent  *pb.FleetResult            // of the count that asks the nodes for their positions
	states  map[string]pb.NodeState    // of ListNodes; a node that is not there is not known
	batches []*pb.StreamEventsResponse // the last is sent for ever
	asked   int                        // how often ListNodes was called
	request *pb.StreamEventsRequest    // the stream's
	fail    error                      // of ListNodes
}

func (s *fleetStream) gateway() *fakeGateway {
	return &fakeGateway{
		gateway: func() (*pb.GetGatewayResponse, error) {
			return &pb.GetGatewayResponse{Node: "edge-1", Cursor: "edge-1.1@3",
				FleetInfo: &pb.FleetInfo{Name: "shop"}}, nil
		},
		count: func(*pb.CountConnectionsRequest) (*pb.CountConnectionsResponse, error) {
			return &pb.CountConnectionsResponse{Cursor: s.end, Fleet: s.absent}, nil
		},
		nodes: s.list,
		stream: func(r *pb.StreamEventsRequest, to eventStream) error {
			s.request = r
			for i := 0; ; i = min(i+1, len(s.batches)-1) {
				if err := to.Send(s.batches[i]); err != nil || to.Context().Err() != nil {
					return errors.Join(err, to.Context().Err())
				}
			}
		},
	}
}

func (s *fleetStream) list(*pb.ListNodesRequest) (*pb.ListNodesResponse, error) {
	s.asked++
	resp := &pb.ListNodesResponse{}
	for _, n := range threeNodes() {
		if state, known := s.states[n.GetName()]; known {
			n.State = state
			resp.Nodes = append(resp.Nodes, n)
		}
	}
	return resp, s.fail
}

// ticking is a clock that goes on by a second each time that it is read.
func ticking() func() time.Time {
	now := testNow()
	return func() time.Time { now = now.Add(time.Second); return now }
}

// batch is a response with a LISTENING event of a node, or a heartbeat for no node.
func batch(cursor, node string) *pb.StreamEventsResponse {
	r := &pb.StreamEventsResponse{Cursor: cursor}
	if node != "" {
		r.Events = []*pb.Event{{Node: node, Time: ago(0), Type: pb.EventType_EVENT_TYPE_LISTENING,
			Details: &pb.Event_Listener{Listener: &pb.ListenerDetails{Name: "a", Address: "a"}}}}
	}
	return r
}

func lines(nodes ...string) string {
	var b strings.Builder
	for _, n := range nodes {
		fmt.Fprintf(&b, "10:31:02.123  LISTENING         %s  a\n", n)
	}
	return b.String()
}

const (
	live = pb.NodeState_NODE_STATE_LIVE
	dead = pb.NodeState_NODE_STATE_UNREACHABLE
	left = pb.NodeState_NODE_STATE_LEFT
)

// A stream of past events ends when every node has delivered its own, and not before.
func TestNoFollowOfAFleet(t *testing.T) {
	two := fleetOf(nodeResult("edge-1", nodeOK, ""), nodeResult("edge-2", nodeOK, ""))
	all := map[string]pb.NodeState{"edge-1": live, "edge-2": live, "edge-3": dead}
	const (
		end     = "edge-1.1@3,edge-2.1@2"
		half    = "edge-1.1@3,edge-2.1@1"
		nothing = "edge-2 did not deliver its events up to 2: "
	)
	tests := []struct {
		name    string
		absent  *pb.FleetResult
		states  map[string]pb.NodeState
		batches []*pb.StreamEventsResponse
		code    int
		stdout  string // at its beginning, where the stream says more than that
		stderr  string
	}{
		{"the first node last", two, all, []*pb.StreamEventsResponse{batch("edge-1.1@1,edge-2.1@2", "edge-2"),
			batch("edge-1.1@2,edge-2.1@2", "edge-1"), batch(end, "edge-1"), batch(end, "edge-9")},
			app.ExitDone, lines("edge-2", "edge-1", "edge-1"), ""},
		{"the second node last", two, all, []*pb.StreamEventsResponse{batch("edge-1.1@3,edge-2.1@0", "edge-1"),
			batch("edge-1.1@3,edge-2.1@2,edge-3.1@5", "edge-2"), batch(end, "edge-9")},
			app.ExitDone, lines("edge-1", "edge-2"), ""},
		{"restarted meanwhile", two, all, []*pb.StreamEventsResponse{batch(half, "edge-1"),
			batch("edge-1.1@3,edge-2.2@0", "edge-2"), batch(end, "edge-9")}, app.ExitDone, lines("edge-1", "edge-2"), ""},
		{"absent from the beginning", silentThird(nil, nil), all, []*pb.StreamEventsResponse{batch(end, "edge-1"),
			batch(end, "edge-9")}, app.ExitPartial, lines("edge-1"), silentText},
		{"unreachable meanwhile", two, map[string]pb.NodeState{"edge-1": live, "edge-2": dead},
			[]*pb.StreamEventsResponse{batch(half, "edge-1"), batch(half, "")}, app.ExitPartial,
			lines("edge-1"), "ctl: " + nothing + "it is UNREACHABLE\n"},
		{"unreachable, and others are busy", two, map[string]pb.NodeState{"edge-1": live, "edge-2": dead},
			[]*pb.StreamEventsResponse{batch(half, "edge-1")}, app.ExitPartial,
			lines("edge-1"), "ctl: " + nothing + "it is UNREACHABLE\n"},
		{"left meanwhile", two, map[string]pb.NodeState{"edge-1": live, "edge-2": left},
			[]*pb.StreamEventsResponse{batch(half, "")}, app.ExitPartial, "", "ctl: " + nothing + "it is LEFT\n"},
		{"forgotten meanwhile", two, map[string]pb.NodeState{"edge-1": live},
			[]*pb.StreamEventsResponse{batch(half, "")}, app.ExitPartial, "", "ctl: " + nothing +
				"it is not known any more\n"},
		{"there, and silent", two, all, []*pb.StreamEventsResponse{batch("edge-1.1@3", "")}, app.ExitPartial, "",
			"ctl: " + nothing + "nothing came of it for 15s\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &fleetStream{end: end, absent: tt.absent, states: tt.states, batches: tt.batches}
			if strings.HasPrefix(tt.name, "absent") {
				s.end += ",edge-3.1@4711" // as the gateway heard of it last
			}
			run := against(t, s.gateway())
			run.now = ticking()
			code := run.run("events", "--no-follow")
			got := run.stdout.String()
			if code != tt.code || !strings.HasPrefix(got, tt.stdout) || strings.Contains(got, "edge-9") ||
				tt.code == app.ExitDone && got != tt.stdout {
				t.Errorf("exit code %d, stdout:\n%s\nwant:\n%s", code, got, tt.stdout)
			}
			if !strings.HasPrefix(run.stderr.String(), tt.stderr) || tt.stderr == "" && run.stderr.String() != "" ||
				strings.Count(run.stderr.String(), "\n") > 1 {
				t.Errorf("stderr %q, want %q", run.stderr, tt.stderr)
			}
		})
	}
}

// A node that is slow and goes on is waited for, however long it takes.
func TestNoFollowWaitsForASlowNode(t *testing.T) {
	s := &fleetStream{end: "edge-1.1@3,edge-2.1@90", states: map[string]pb.NodeState{"edge-1": live,
		"edge-2": pb.NodeState_NODE_STATE_SUSPECT},
		absent: fleetOf(nodeResult("edge-1", nodeOK, ""), nodeResult("edge-2", nodeOK, ""))}
	for n := range 90 {
		s.batches = append(s.batches, batch(fmt.Sprintf("edge-1.1@3,edge-2.1@%d", n+1), ""))
	}
	run := against(t, s.gateway())
	run.now = ticking()
	run.expect(t, app.ExitDone, "", "", "events", "--no-follow")
	if s.asked == 0 {
		t.Error("it was never asked how the nodes are")
	}
}

// When ctl cannot learn the states of the nodes, it stops waiting and says so.
func TestNoFollowWhenNodesCannotBeListed(t *testing.T) {
	s := &fleetStream{end: "edge-1.1@3,edge-2.1@90", absent: fleetOf(nodeResult("edge-1", nodeOK, "")),
		batches: []*pb.StreamEventsResponse{batch("edge-1.1@3", "")},
		fail:    failure(5, "no such thing", "NOPE", nil)}
	run := against(t, s.gateway())
	run.now = ticking()
	if code := run.run("events", "--no-follow"); code != app.ExitNotFound ||
		!strings.Contains(run.stderr.String(), "no such thing (NOPE)") {
		t.Errorf("exit code %d: %s", code, run.stderr)
	}
}

// A stream of a fleet begins at the present position of every node, or at the last known position of a node that did
// not answer.
func TestStreamOfAFleetBeginsNow(t *testing.T) {
	states := map[string]pb.NodeState{"edge-1": live, "edge-2": live, "edge-3": dead}
	tests := []struct {
		name, end, args string
		absent          *pb.FleetResult
		states          map[string]pb.NodeState
		after           string
		asked           int
		stderr          string
	}{
		{"all answer", "edge-1.1@3,edge-2.1@2", "", fleetOf(nodeResult("edge-1", nodeOK, ""),
			nodeResult("edge-2", nodeOK, "")), states, "edge-1.1@3,edge-2.1@2", 0, ""},
		{"one does not", "edge-1.1@3,edge-2.1@2", "", silentThird(nil, nil), states, "edge-1.1@3,edge-2.1@2,edge-3.1@4711", 1,
			silentText},
		{"one does not, and the gateway knows of it", "edge-1.1@3,edge-2.1@2,edge-3.1@7", "", silentThird(nil, nil), states,
			"edge-1.1@3,edge-2.1@2,edge-3.1@7", 1, silentText},
		{"one has left", "edge-1.1@3,edge-2.1@2", "", silentThird(nil, nil), map[string]pb.NodeState{"edge-3": left},
			"edge-1.1@3,edge-2.1@2", 1, silentText},
		{"only one, which does not", "", "--node edge-3", fleetOf(nodeResult("edge-3", nodeUnreachable,
			"nothing heard of it for 12 s")), states, "edge-3.1@4711", 1, silentText},
		{"only the one that is asked", "never asked for", "--local", nil, states, "edge-1.1@3", 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &fleetStream{end: tt.end, absent: tt.absent, states: tt.states,
				batches: []*pb.StreamEventsResponse{batch("edge-1.1@4,edge-2.1@2", "edge-1")}}
			against(t, s.gateway()).expect(t, app.ExitDone, lines("edge-1"), tt.stderr,
				append([]string{"events", "--limit", "1"}, strings.Fields(tt.args)...)...)
			if s.request.GetAfter() != tt.after || s.asked != tt.asked {
				t.Errorf("it begins behind %q, want %q; the nodes were listed %d times, want %d", s.request.GetAfter(), tt.after,
					s.asked, tt.asked)
			}
		})
	}
}

// The nodes of events are shown where there are several, also when the stream began with a cursor of one.
func TestEventLinesOfAFleet(t *testing.T) {
	events := []*pb.Event{
		{Type: pb.EventType_EVENT_TYPE_CONNECTED, Connection: testConnection("edge-2.1.1"),
			Details: &pb.Event_Connected{Connected: &pb.ConnectedDetails{Connections: 3}}},
		{Type: pb.EventType_EVENT_TYPE_GAP, Details: &pb.Event_Gap{Gap: &pb.GapDetails{From: 3, To: 8,
			Reason: pb.GapReason_GAP_REASON_NODE_LOST}}},
		{Type: pb.EventType_EVENT_TYPE_SNAPSHOT_COMPLETE,
			Details: &pb.Event_SnapshotComplete{SnapshotComplete: &pb.SnapshotCompleteDetails{Connections: 1,
				Cursor: "edge-1.1@3,edge-2.1@2", MissingNodes: []string{"edge-3", "edge-4"}}}},
		{Type: pb.EventType_EVENT_TYPE_CONTROL,
			Details: &pb.Event_Control{Control: &pb.ControlDetails{Verb: "Kick", Actor: "ci", Filter: "true",
				Matched:  2,
				Outcomes: map[string]uint64{"KICKED": 2}, Nodes: map[string]string{"edge-3": "TIMED_OUT", "edge-1": "OK"}}}},
		{Type: pb.EventType_EVENT_TYPE_CONTROL,
			Details: &pb.Event_Control{Control: &pb.ControlDetails{Verb: "ForgetNode", Actor: "ci",
				ViaNode: "edge-1"}}},
	}
	for _, e := range events {
		e.Node, e.Time, e.Sequence = "edge-2", ago(0), 7
	}
	const want = `10:31:02.123  CONNECTED         edge-2.1.1  127.0.0.1:50612 -> 127.0.0.1:8017  connections=3
10:31:02.123  GAP               NODE  events missed: NODE_LOST from=3 to=8
10:31:02.123  SNAPSHOT_COMPLETE  NODE  connections=1 cursor=edge-1.1@3,edge-2.1@2 missing=edge-3,edge-4
10:31:02.123  CONTROL           NODE  Kick by=ci filter="true" matched=2 nodes=edge-1:OK,edge-3:TIMED_OUT KICKED=2
10:31:02.123  CONTROL           NODE  ForgetNode by=ci via=edge-1
`
	for _, tt := range []struct{ after, cursor, node string }{
		{"edge-1.1@3", "edge-1.1@3,edge-2.1@2", "edge-2"},
		{"edge-1.1@3,edge-2.1@1", "", "edge-2"},
		{"edge-2.1@1", "edge-2.1@2", "-"}, // one node: its name says nothing
	} {
		g := &fakeGateway{stream: func(_ *pb.StreamEventsRequest, s eventStream) error {
			return s.Send(&pb.StreamEventsResponse{Events: events, Cursor: tt.cursor})
		}}
		against(t, g).expect(t, app.ExitDone, strings.ReplaceAll(want, "NODE  ", tt.node+"  "), "", "events", "--after",
			tt.after)
	}
}
