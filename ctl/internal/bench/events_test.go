package bench

import (
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/ctltest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestBenchEventsFindsWhatIsMissing holds that a GAP is counted, and that an event which is missing without one is a
// failure.
func TestBenchEventsFindsWhatIsMissing(t *testing.T) {
	event := func(sequence uint64) *pb.Event {
		return &pb.Event{Sequence: sequence, Type: pb.EventType_EVENT_TYPE_CONNECTED, Time: timestamppb.Now()}
	}
	gap := func(g *pb.GapDetails) *pb.Event {
		return &pb.Event{Type: pb.EventType_EVENT_TYPE_GAP, Details: &pb.Event_Gap{Gap: g}}
	}
	overflow := gap(&pb.GapDetails{Reason: pb.GapReason_GAP_REASON_DATA_OVERFLOW, DataEvents: 9})
	tests := []struct {
		events                                           []*pb.Event
		args                                             string
		code                                             int
		received, gaps, missed, missedData, unknown, not int64
	}{
		{[]*pb.Event{event(1), event(2), event(3), event(4)}, "", app.ExitDone, 4, 0, 0, 0, 0, 0},
		{[]*pb.Event{event(1), gap(&pb.GapDetails{From: 2, To: 3}), event(4)}, "", app.ExitDone, 2, 1, 2, 0,
			0, 0},
		{[]*pb.Event{event(1), event(2), overflow, event(3), gap(&pb.GapDetails{}), event(4)}, "",
			app.ExitDone, 4, 2, 0, 9, 1, 0},
		{[]*pb.Event{event(1), event(4)}, "", app.ExitFailed, 2, 0, 0, 0, 0, 2},
		{[]*pb.Event{event(2), event(3), event(4)}, "", app.ExitFailed, 3, 0, 0, 0, 0, 1},
		{[]*pb.Event{event(1), event(2), event(2), event(3), event(4)}, "", app.ExitFailed, 5, 0, 0, 0, 0, 1},
		{[]*pb.Event{event(1), event(4)}, " --filter true", app.ExitDone, 2, 0, 0, 0, 0, 0},
	}
	for i, tt := range tests {
		described := 0
		g := &fakeGateway{
			gateway: func() (*pb.GetGatewayResponse, error) {
				described++
				return &pb.GetGatewayResponse{Cursor: map[bool]string{true: "n.1@0", false: "n.1@4"}[described == 1]}, nil
			},
			stream: func(req *pb.StreamEventsRequest, s eventStream) error {
				if req.GetAfter() != "n.1@0" || !req.GetScope().GetLocal() { // sequences are of one node
					t.Errorf("stream after %q, of %v", req.GetAfter(), req.GetScope())
				}
				_ = s.Send(&pb.StreamEventsResponse{Events: tt.events, Cursor: "n.1@4"})
				<-s.Context().Done()
				return nil
			},
		}
		r := newBenchRun(t.Context(), g.serve(t))
		code := r.run("events -s 1 -c 1 -d 10ms -o json"+tt.args, ctltest.Serve(t, ctltest.Listen(t), ctltest.Echo))
		var got eventsResult
		r.result(t, &got)
		silent := int64(0)
		if got.Silent != nil {
			silent = *got.Silent
		}
		if code != tt.code || got.Events != tt.received || got.Gaps != tt.gaps || got.Missed != tt.missed ||
			got.MissedData != tt.missedData ||
			got.MissedUnknown != tt.unknown || silent != tt.not || got.LagMicroseconds.Count != tt.received {
			t.Errorf("%d: exit code %d, %+v; expected %+v; stderr: %s", i, code, got, tt, r.stderr)
		}
	}
}
