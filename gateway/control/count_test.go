package control_test

import (
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/gatewaytest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestCount checks that a count agrees with a walk, in total and for each room.
func TestCount(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	for i := range 7 {
		_, id := connect(t, g)
		if i > 0 {
			_, err := g.Client.SetLabels(patiently(t), &pb.SetLabelsRequest{ConnectionIds: []string{id},
				Set: map[string]string{"room": fmt.Sprint(i % 3)}})
			check(t, err)
		}
	}
	kicked, err := g.Client.Kick(patiently(t), &pb.KickRequest{Filter: `labels.room == "2"`})
	check(t, err)
	if kicked.GetKicked() != 2 {
		t.Fatal(kicked)
	}
	rooms := []*pb.ConnectionGroup{{Value: "0", Count: 2}, {Value: "1", Count: 2}, {Value: "", Count: 1}}
	for _, c := range []struct {
		request *pb.CountConnectionsRequest
		want    *pb.CountConnectionsResponse
	}{
		{&pb.CountConnectionsRequest{}, &pb.CountConnectionsResponse{Count: 5}},
		{&pb.CountConnectionsRequest{State: pb.ListState_LIST_STATE_CLOSED}, &pb.CountConnectionsResponse{Count: 2}},
		{&pb.CountConnectionsRequest{State: pb.ListState_LIST_STATE_ALL}, &pb.CountConnectionsResponse{Count: 7}},
		{&pb.CountConnectionsRequest{Filter: "has(labels.room)"}, &pb.CountConnectionsResponse{Count: 4}},
		{&pb.CountConnectionsRequest{Filter: "false", By: "state"}, &pb.CountConnectionsResponse{}},
		{&pb.CountConnectionsRequest{By: "labels.room"}, &pb.CountConnectionsResponse{Count: 5, Groups: rooms}},
		{&pb.CountConnectionsRequest{By: "labels.room", Filter: `labels.room == "1"`},
			&pb.CountConnectionsResponse{Count: 2, Groups: rooms[1:2]}},
		{&pb.CountConnectionsRequest{By: "close_reason", State: pb.ListState_LIST_STATE_ALL},
			&pb.CountConnectionsResponse{Count: 7,
				Groups: []*pb.ConnectionGroup{{Value: "UNSPECIFIED", Count: 5}, {Value: "KICKED", Count: 2}}}},
		{&pb.CountConnectionsRequest{By: "state", State: pb.ListState_LIST_STATE_ALL}, &pb.CountConnectionsResponse{Count: 7,
			Groups: []*pb.ConnectionGroup{{Value: "OPEN", Count: 5}, {Value: "CLOSED", Count: 2}}}},
		{&pb.CountConnectionsRequest{By: "listener"},
			&pb.CountConnectionsResponse{Count: 5, Groups: []*pb.ConnectionGroup{{Value: "main", Count: 5}}}},
		{&pb.CountConnectionsRequest{By: "handler_instance", Filter: `handler_instance == ""`},
			&pb.CountConnectionsResponse{Count: 5, Groups: []*pb.ConnectionGroup{{Count: 5}}}},
		{&pb.CountConnectionsRequest{By: "remote_ip"},
			&pb.CountConnectionsResponse{Count: 5, Groups: []*pb.ConnectionGroup{{Value: "127.0.0.1", Count: 5}}}},
	} {
		got, err := g.Client.CountConnections(patiently(t), c.request)
		check(t, err)
		c.want.TotalSize, c.want.Cursor = 5, g.Server.Cursor().String()
		if !proto.Equal(got, c.want) {
			t.Errorf("%v: %v; expected %v", c.request, got, c.want)
		}
	}
}
