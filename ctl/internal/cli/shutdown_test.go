package cli

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

func TestShutdown(t *testing.T) {
	var got *pb.ShutdownRequest
	resp := &pb.ShutdownResponse{Deadline: timestamppb.New(testNow()), Connections: 3}
	g := &fakeGateway{
		shutdown: func(req *pb.ShutdownRequest) (*pb.ShutdownResponse, error) {
			got = req
			return resp, nil
		},
		gateway: func() (*pb.GetGatewayResponse, error) {
			return &pb.GetGatewayResponse{Cursor: "c.0@5"}, nil
		},
	}
	const table = "DRAIN     DEADLINE                   CONNECTIONS\nstarted   2026-03-04T10:31:02.123Z   3\n"
	against(t, g).expect(t, 0, table, "", "shutdown", "--yes", "--grace", "0s", "--reason", "upgrade", "--farewell", "bye")
	if got.GetGracePeriod() == nil || got.GetGracePeriod().AsDuration() != 0 || got.GetReason() != "upgrade" ||
		string(got.GetFarewell()) != "bye" {
		t.Errorf("request %v", got)
	}
	against(t, g).expect(t, 0, `{"joined":false,"deadline":"2026-03-04T10:31:02.123Z","connections":"3"}`+"\n", "",
		"shutdown", "-y", "-o", "json")
	if got.GetGracePeriod() != nil {
		t.Errorf("no grace was given, and %s was sent", got.GetGracePeriod())
	}
	g.stream = func(req *pb.StreamEventsRequest, s eventStream) error {
		if req.GetAfter() != "c.0@5" {
			t.Errorf("follows after %q", req.GetAfter())
		}
		for _, e := range []*pb.Event{
			{Type: pb.EventType_EVENT_TYPE_DRAIN_STARTED, Time: ago(0),
				Details: &pb.Event_Drain{Drain: &pb.DrainDetails{Connections: 3, Deadline: ago(0),
					Reason: "up\ngrade"}}},
			{Type: pb.EventType_EVENT_TYPE_DRAIN_ENDED, Time: ago(0),
				Details: &pb.Event_Drain{Drain: &pb.DrainDetails{EndedByThemselves: 2, ClosedAtDeadline: 1}}},
		} {
			if err := s.Send(&pb.StreamEventsResponse{Events: []*pb.Event{e}}); err != nil {
				return err
			}
		}
		return nil
	}
	resp.Joined = true
	against(t, g).expect(t, 0, strings.Replace(table, "DRAIN     DEADLINE                   CONNECTIONS\nstarted   ",
		"DRAIN    DEADLINE                   CONNECTIONS\njoined   ", 1)+
		"10:31:02.123  DRAIN_STARTED     -  connections=3 deadline=10:31:02.123 reason=\"up\\ngrade\"\n"+
		"10:31:02.123  DRAIN_ENDED       -  connections=0 ended=2 closed=1\n", "", "shutdown", "--yes", "--wait")
}
