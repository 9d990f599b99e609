package cli

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sockgate/sockgate/ctl/internal/app"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// The question names everything that is shut down.
func TestShutdownQuestionOfAFleet(t *testing.T) {
	for args, want := range map[string]string{
		"shutdown":               "Shut the gateway at GATEWAY down?",
		"shutdown --local":       "Shut the gateway at GATEWAY down?",
		"shutdown --node edge-2": "Shut the node edge-2 down?",
		"shutdown --all": "Shut ALL 3 nodes of the fleet (edge-1, edge-2 which is DRAINING, edge-3 which is " +
			"UNREACHABLE) down?",
	} {
		var scopes []*pb.Scope
		run := against(t, fleetGateway(&scopes))
		run.terminal, run.stdin, run.variables = true, strings.NewReader("n\n"), map[string]string{"NO_COLOR": "1"}
		run.expect(t, app.ExitFailed, "", want+" [y/N] ctl: not confirmed; nothing was done\n", strings.Fields(args)...)
	}
	var many []*pb.Node
	for n := range 25 {
		many = append(many, &pb.Node{Name: fmt.Sprintf("n%d", n), State: pb.NodeState_NODE_STATE_LIVE})
	}
	many = append(many, &pb.Node{Name: "gone", State: pb.NodeState_NODE_STATE_LEFT})
	if text := allNodesText(many); !strings.HasPrefix(text, "ALL 25 nodes of the fleet (n0, n1, ") ||
		!strings.HasSuffix(text, ", n19, and 5 more)") || strings.Contains(text, "gone") {
		t.Error(text)
	}
}

// drained is a DRAIN_ENDED of a node.
func drained(node string) *pb.Event {
	return &pb.Event{Node: node, Type: pb.EventType_EVENT_TYPE_DRAIN_ENDED, Time: ago(0),
		Details: &pb.Event_Drain{Drain: &pb.DrainDetails{}}}
}

// gone is the GAP of a node whose last events are lost.
func gone(node string) *pb.Event {
	return &pb.Event{Node: node, Type: pb.EventType_EVENT_TYPE_GAP, Time: ago(0),
		Details: &pb.Event_Gap{Gap: &pb.GapDetails{Reason: pb.GapReason_GAP_REASON_NODE_LOST}}}
}

// ctl waits until the drain of each node has ended, or until no event about it can come any more.
func TestShutdownWaitsForNodes(t *testing.T) {
	const table = "DRAIN     DEADLINE                   CONNECTIONS\nstarted   2026-03-04T10:31:02.123Z   5\n"
	ended := func(nodes ...string) string {
		text := table
		for _, n := range nodes {
			text += "10:31:02.123  DRAIN_ENDED       " + n + "  connections=0\n"
		}
		return text
	}
	of := func(cursor string, events ...*pb.Event) *pb.StreamEventsResponse {
		return &pb.StreamEventsResponse{Cursor: cursor, Events: events}
	}
	const cursor = "edge-1.1@3,edge-2.1@2"
	both := fleetOf(nodeResult("edge-1", nodeOK, ""), nodeResult("edge-2", nodeOK, ""))
	tests := []struct {
		name    string
		fleet   *pb.FleetResult
		states  map[string]pb.NodeState
		batches []*pb.StreamEventsResponse
		code    int
		stdout  string
		stderr  string
	}{
		{"both end", both, map[string]pb.NodeState{"edge-1": live, "edge-2": live},
			[]*pb.StreamEventsResponse{of(cursor, drained("edge-2")), of(cursor, drained("edge-1")),
				of(cursor, drained("edge-9"))}, app.ExitDone, ended("edge-2", "edge-1"), ""},
		{"one was not reached", silentThird(nil, nil), nil, []*pb.StreamEventsResponse{of(cursor, drained("edge-2"),
			drained("edge-1")), of(cursor, drained("edge-9"))}, app.ExitPartial,
			ended("edge-2", "edge-1"), silentText},
		{"the last events of one are lost", both, map[string]pb.NodeState{"edge-1": live, "edge-2": live},
			[]*pb.StreamEventsResponse{of(cursor, drained("edge-1")),
				of(cursor, gone("edge-2")), of(cursor, drained("edge-9"))}, app.ExitDone, ended("edge-1") +
				"10:31:02.123  GAP               edge-2  events missed: NODE_LOST\n", ""},
		{"one leaves unheard", both, map[string]pb.NodeState{"edge-2": left},
			[]*pb.StreamEventsResponse{of(cursor, drained("edge-1")), of(cursor)}, app.ExitDone, ended("edge-1"), ""},
		{"one is cut off", both, map[string]pb.NodeState{"edge-2": dead},
			[]*pb.StreamEventsResponse{of(cursor, drained("edge-1")), of(cursor)}, app.ExitPartial, ended("edge-1"),
			"ctl: edge-2 is UNREACHABLE; how its drain went is not known\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &fleetStream{end: cursor, absent: tt.fleet, states: tt.states, batches: tt.batches}
			g := s.gateway()
			g.shutdown = func(*pb.ShutdownRequest) (*pb.ShutdownResponse, error) {
				return &pb.ShutdownResponse{Connections: 5, Deadline: ago(0), Fleet: tt.fleet}, nil
			}
			run := against(t, g)
			run.now = ticking()
			run.expect(t, tt.code, tt.stdout, tt.stderr, "shutdown", "--all", "--yes", "--wait")
			if got := fmt.Sprint(s.request.GetScope().GetNodes()); got != "[edge-1 edge-2]" || s.request.GetAfter() != cursor {
				t.Errorf("it follows %s behind %s", got, s.request.GetAfter())
			}
		})
	}
}

// The gateway that is asked may end first: the unseen drains are named. A shutdown of that gateway alone ends with it,
// as without a fleet.
func TestShutdownEndsWithTheGatewayThatIsAsked(t *testing.T) {
	both := fleetOf(nodeResult("edge-1", nodeOK, ""), nodeResult("edge-2", nodeOK, ""))
	for args, want := range map[string]string{
		"--all":   "ctl: the gateway that was asked has ended; the end of these drains was not seen: edge-2\n",
		"--local": "",
	} {
		s := &fleetStream{end: "edge-1.1@3,edge-2.1@2", absent: both}
		g := s.gateway()
		var got *pb.StreamEventsRequest
		g.stream = func(r *pb.StreamEventsRequest, s eventStream) error {
			got = r
			return s.Send(&pb.StreamEventsResponse{Cursor: "edge-1.1@9", Events: []*pb.Event{drained("edge-1")}})
		}
		g.shutdown = func(r *pb.ShutdownRequest) (*pb.ShutdownResponse, error) {
			fleet := both
			if r.GetScope().GetLocal() {
				fleet = fleetOf(both.GetNodes()[0])
			}
			return &pb.ShutdownResponse{Fleet: fleet}, nil
		}
		run := against(t, g)
		if code := run.run("shutdown", "--yes", "--wait", args); code != app.ExitDone || run.stderr.String() != want {
			t.Errorf("%s: exit code %d: %q, want %q", args, code, run.stderr, want)
		}
		if got.GetScope().GetLocal() != (args == "--local") {
			t.Errorf("%s: scope %v", args, got.GetScope())
		}
	}
}
