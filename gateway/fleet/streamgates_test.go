package fleet_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sockgate/sockgate/gateway/fleet"
	"github.com/sockgate/sockgate/gateway/fleet/fleettest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// watched is a StreamEvents call over gRPC.
type watched struct {
	pb.GatewayService_StreamEventsClient
	t      testing.TB
	cursor string // of the last response
}

func watch(t testing.TB, g *gate, r *pb.StreamEventsRequest) *watched {
	t.Helper()
	s, err := g.client.StreamEvents(patiently(t), r)
	check(t, err)
	return &watched{s, t, ""}
}

// until returns the events up to the first that holds accepts. It fails if the stream ends before.
func (w *watched) until(what string, holds func(*pb.Event) bool) []*pb.Event {
	w.t.Helper()
	var got []*pb.Event
	for {
		r, err := w.Recv()
		if err != nil {
			w.t.Fatalf("waiting until %s: %v", what, err)
		}
		w.cursor = r.GetCursor()
		got = append(got, r.GetEvents()...)
		if slices.ContainsFunc(r.GetEvents(), holds) {
			return got
		}
	}
}

// byNode counts the events of a type by node.
func byNode(events []*pb.Event, wanted pb.EventType) map[string]int {
	counts := make(map[string]int)
	for _, e := range events {
		if e.GetType() == wanted {
			counts[e.GetNode()]++
		}
	}
	return counts
}

// TestStreamOfGates checks whole gateways. A stream has the connections of all of them, and their events from every
// gateway. If a gateway leaves, only its entry goes.
func TestStreamOfGates(t *testing.T) {
	t.Parallel()
	gates := startFleet(t, fleettest.NewLoopback(), "g1", "g2", "g3")
	var conns []net.Conn
	want := make(map[string]bool)
	for i, g := range gates {
		opened, ids := g.connect(t, 100*(i+1))
		conns = append(conns, opened...)
		for _, id := range ids {
			want[id] = true
		}
	}
	w := watch(t, gates[1], &pb.StreamEventsRequest{Snapshot: true})
	got := w.until("the snapshot is complete", func(e *pb.Event) bool {
		return e.GetType() == pb.EventType_EVENT_TYPE_SNAPSHOT_COMPLETE
	})
	present := make(map[string]bool)
	for _, e := range got {
		if e.GetType() == pb.EventType_EVENT_TYPE_PRESENT {
			present[e.GetConnection().GetId()] = true
		}
	}
	last := got[len(got)-1].GetSnapshotComplete()
	if !maps.Equal(present, want) || last.GetConnections() != 600 || len(last.GetMissingNodes()) > 0 ||
		last.GetCursor() != w.cursor {
		t.Fatalf("%d connections of %d, and %v", len(present), len(want), last)
	}
	resume := w.cursor
	for _, c := range conns {
		check(t, c.Close())
	}
	closed := 0
	got = w.until("all are closed", func(e *pb.Event) bool {
		if e.GetType() == pb.EventType_EVENT_TYPE_CLOSED {
			closed++
		}
		return closed == 600
	})
	expected := map[string]int{"g1": 100, "g2": 200, "g3": 300}
	if counts := byNode(got, pb.EventType_EVENT_TYPE_CLOSED); !maps.Equal(counts, expected) {
		t.Errorf("closed: %v", counts)
	}
	again := watch(t, gates[2], &pb.StreamEventsRequest{After: resume,
		Types: []pb.EventType{pb.EventType_EVENT_TYPE_CLOSED}, Filter: `node != "g1"`})
	closed = 0
	got = again.until("all that match are closed", func(e *pb.Event) bool {
		closed++
		return closed == 500
	})
	if counts := byNode(got, pb.EventType_EVENT_TYPE_CLOSED); len(got) != 500 || counts["g2"] != 200 ||
		counts["g3"] != 300 {
		t.Errorf("resumed with a filter at another gateway: %v of %d", counts, len(got))
	}
	gates[2].server.Log().Close()
	gates[2].stop()
	for strings.Contains(w.cursor, "g3.") {
		r, err := w.Recv()
		check(t, err)
		w.cursor = r.GetCursor()
		if n := byNode(r.GetEvents(), pb.EventType_EVENT_TYPE_GAP); len(n) > 0 {
			t.Errorf("of a gateway that left in order: %v", r.GetEvents())
		}
	}
	gates[1].server.Log().Close()
	for {
		if _, err := w.Recv(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("the stream ended with %v; expected OK, with its gateway's log", err)
		}
	}
}

// TestListAndStream checks that a caller that lists, and then follows from the list's cursor, misses nothing of any
// gateway. Events from just before the list may come too.
func TestListAndStream(t *testing.T) {
	t.Parallel()
	gates := startFleet(t, fleettest.NewLoopback(), "g1", "g2", "g3")
	for _, g := range gates {
		g.connect(t, 5)
	}
	page, err := gates[0].client.ListConnections(patiently(t), &pb.ListConnectionsRequest{})
	check(t, err)
	missing := make(map[string]bool)
	for _, g := range gates {
		_, ids := g.connect(t, 3)
		for _, id := range ids {
			missing[id] = true
		}
	}
	w := watch(t, gates[1], &pb.StreamEventsRequest{After: page.GetCursor(),
		Types: []pb.EventType{pb.EventType_EVENT_TYPE_CONNECTED}})
	w.until("all have come", func(e *pb.Event) bool {
		delete(missing, e.GetConnection().GetId())
		return len(missing) == 0
	})
}

// TestStreamErrors checks the errors that a caller gets over gRPC for requests that this gateway, or another one,
// refuses.
func TestStreamErrors(t *testing.T) {
	t.Parallel()
	loop := fleettest.NewLoopback()
	gates := []*gate{start(t, loop, "g1"), start(t, loop, "g2",
		func(c *fleet.Config) { c.PeerRoles = map[string]pb.Role{"g1": pb.Role_ROLE_VIEWER} })}
	settle(t, gates...)
	other := gates[1].server.Cursor()
	other.Sequence = 1 << 40
	for name, c := range map[string]struct {
		request *pb.StreamEventsRequest
		code    codes.Code
		reason  string
		node    string
	}{
		"filter": {&pb.StreamEventsRequest{Filter: "nonsense("}, codes.InvalidArgument, "INVALID_FILTER", ""},
		"cursor": {&pb.StreamEventsRequest{After: "a.1@2,x"}, codes.InvalidArgument, "INVALID_CURSOR", ""},
		"ahead":  {&pb.StreamEventsRequest{After: other.String()}, codes.InvalidArgument, "INVALID_CURSOR", "g2"},
		"node": {&pb.StreamEventsRequest{Scope: &pb.Scope{Nodes: []string{"g9"}}}, codes.InvalidArgument, "UNKNOWN_NODE",
			"g9"},
		"denied": {&pb.StreamEventsRequest{IncludeData: true}, codes.PermissionDenied, "ROLE_REQUIRED", "g2"},
	} {
		t.Run(name, func(t *testing.T) {
			w := watch(t, gates[0], c.request)
			var err error
			for err == nil {
				_, err = w.Recv()
			}
			s := status.Convert(err)
			i := slices.IndexFunc(s.Details(), func(d any) bool { _, ok := d.(*errdetails.ErrorInfo); return ok })
			if s.Code() != c.code || i < 0 {
				t.Fatalf("it ended with %v; expected %v", err, c.code)
			}
			info := s.Details()[i].(*errdetails.ErrorInfo)
			if info.GetReason() != c.reason || info.GetMetadata()["node"] != c.node || !strings.Contains(s.Message(), c.node) {
				t.Errorf("it ended with %v, %v; expected %s of %q", err, info, c.reason, c.node)
			}
		})
	}
	ctx, cancel := context.WithCancel(patiently(t))
	s, err := gates[0].client.StreamEvents(ctx, &pb.StreamEventsRequest{})
	check(t, err)
	_, err = s.Recv()
	check(t, err)
	eventually(t, "the other gateway is followed", func() bool { return gates[1].server.Log().Streams() == 1 })
	cancel()
	eventually(t, "nobody is followed", func() bool {
		return gates[0].server.Log().Streams()+gates[1].server.Log().Streams() == 0
	})
}
