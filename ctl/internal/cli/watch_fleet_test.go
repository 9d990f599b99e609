package cli

import (
	"strings"
	"testing"

	"github.com/sockgate/sockgate/ctl/internal/app"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// watchedFleet lists two nodes of a fleet, on two pages; only the first page has a cursor. From the second time on it
// lists the third node too.
type watchedFleet struct {
	lists   int
	absent  bool // the third is, the first time
	streams []*pb.StreamEventsRequest
	events  []*pb.Event // of the first stream that asks for their types
}

func (w *watchedFleet) gateway() *fakeGateway {
	return &fakeGateway{
		list: func(r *pb.ListConnectionsRequest) (*pb.ListConnectionsResponse, error) {
			if r.GetPageToken() == "" {
				w.lists++
				return &pb.ListConnectionsResponse{Connections: []*pb.Connection{testConnection("edge-1.1.1")},
					Cursor: "edge-1.1@1,edge-2.1@2", NextPageToken: "2",
					Fleet: fleetOf(nodeResult("edge-1", nodeOK, ""))}, nil
			}
			if w.absent && w.lists == 1 {
				return &pb.ListConnectionsResponse{Connections: []*pb.Connection{testConnection("edge-2.1.1")},
					Fleet: silentThird(nil, nil)}, nil
			}
			return &pb.ListConnectionsResponse{Connections: []*pb.Connection{testConnection("edge-2.1.1"),
				testConnection("edge-3.1.1")}, Fleet: fleetOf(nodeResult("edge-2", nodeOK, ""))}, nil
		},
		stream: func(r *pb.StreamEventsRequest, s eventStream) error {
			carries := r.GetFilter() == "" // events without a connection come in the stream without a filter
			if carries {
				w.streams = append(w.streams, r)
			}
			if carries && len(w.streams) == 1 {
				if err := s.Send(&pb.StreamEventsResponse{Cursor: "edge-1.1@2,edge-2.1@2", Events: w.events}); err != nil {
					return err
				}
			}
			<-s.Context().Done()
			return nil
		},
	}
}

// member is an event about a node.
func member(t pb.EventType, node string) *pb.Event {
	return &pb.Event{Node: "edge-1", Type: t,
		Details: &pb.Event_Member{Member: &pb.NodeDetails{Node: node}}}
}

// The watch follows from the cursor of the first page, lists again when a node is back that the list lacks, and after a
// gap, whose node it names.
func TestWatchOfAFleet(t *testing.T) {
	const recovered, joined = pb.EventType_EVENT_TYPE_NODE_RECOVERED, pb.EventType_EVENT_TYPE_NODE_JOINED
	gap := &pb.Event{Node: "edge-2", Type: pb.EventType_EVENT_TYPE_GAP,
		Details: &pb.Event_Gap{Gap: &pb.GapDetails{From: 3, To: 8,
			Reason: pb.GapReason_GAP_REASON_OVERRUN}}}
	tests := []struct {
		name   string
		filter string
		absent bool
		events []*pb.Event
		limit  string
		stderr string
	}{
		{"back", "", true, []*pb.Event{member(recovered, "edge-2"), member(recovered, "edge-3")}, "5",
			silentText + "ctl: edge-3 is back; listing again\n"},
		{"back in another life", "", true, []*pb.Event{member(joined, "edge-3")}, "5",
			silentText + "ctl: edge-3 is back; listing again\n"},
		{"back, with a filter", "true", true, []*pb.Event{member(recovered, "edge-3")}, "5",
			silentText + "ctl: edge-3 is back; listing again\n"},
		{"a gap", "", false, []*pb.Event{gap}, "6",
			"ctl: events of edge-2 were missed (OVERRUN from=3 to=8); listing again\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := &watchedFleet{absent: tt.absent, events: tt.events}
			run := against(t, w.gateway())
			code := run.run("list", "--watch", "--filter", tt.filter, "--limit", tt.limit, "-o", "name")
			want := strings.Replace("edge-1.1.1\nedge-2.1.1\nedge-3.1.1\n", "edge-3.1.1\n",
				map[bool]string{false: "edge-3.1.1\n"}[tt.absent], 1) + "edge-1.1.1\nedge-2.1.1\nedge-3.1.1\n"
			if code != app.ExitDone || run.stdout.String() != want || run.stderr.String() != tt.stderr {
				t.Errorf("exit code %d\n%s%s\nwant:\n%s%s", code, run.stdout, run.stderr, want, tt.stderr)
			}
			if after := w.streams[0].GetAfter(); after != "edge-1.1@1,edge-2.1@2" {
				t.Errorf("it follows after %q", after)
			}
		})
	}
}

// A list that lacks a node to its end is partial.
func TestWatchThatLacksANode(t *testing.T) {
	run := against(t, (&watchedFleet{absent: true}).gateway())
	run.expect(t, app.ExitPartial, "edge-1.1.1\nedge-2.1.1\n", silentText, "list", "--watch", "--limit", "2", "-o", "name")
}

// A gateway that runs alone is not asked for events of nodes, which an older one does not know.
func TestWatchAloneAsksForNoNodes(t *testing.T) {
	var types []pb.EventType
	g := &fakeGateway{list: pages(testConnection("n.1.1")), stream: func(r *pb.StreamEventsRequest,
		s eventStream) error {
		types = r.GetTypes()
		return s.Send(&pb.StreamEventsResponse{Cursor: "c.0@1",
			Events: []*pb.Event{{Type: pb.EventType_EVENT_TYPE_CLOSED, Connection: closedConnection("n.1.1")}}})
	}}
	if code := against(t, g).run("list", "--watch", "--limit", "2"); code != app.ExitDone {
		t.Errorf("exit code %d", code)
	}
	for _, got := range types {
		if strings.HasPrefix(app.TypeText(got), "NODE_") {
			t.Errorf("it asks for %s", got)
		}
	}
}
