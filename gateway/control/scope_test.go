package control_test

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/gatewaytest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestAloneScope checks that a gateway that runs alone refuses requests for another node instead of answering for it.
func TestAloneScope(t *testing.T) {
	g := gatewaytest.Start(t)
	other := &pb.Scope{Nodes: []string{"test", "edge-2"}}
	for _, r := range []proto.Message{
		&pb.ListConnectionsRequest{Scope: other}, &pb.BroadcastRequest{Data: data(1),
			Scope: other}, &pb.KickRequest{Filter: "true", Scope: other},
		&pb.ShutdownRequest{Scope: other}, &pb.StreamEventsRequest{Scope: other}, &pb.GetGatewayRequest{Scope: other},
	} {
		_, err := call(patiently(t), g.Client, r)
		expectFailure(t, err, failure{codes.InvalidArgument, "UNKNOWN_NODE", "scope.nodes"})
		if !strings.Contains(err.Error(), "edge-2") {
			t.Error(err)
		}
	}
	_, err := g.Client.ForgetNode(patiently(t), &pb.ForgetNodeRequest{Node: "edge-2"})
	expectFailure(t, err, failure{codes.NotFound, "UNKNOWN_NODE", ""})
}

// TestVectorCursor checks how a gateway that runs alone reads the cursor of a fleet. With `local` it takes its own
// part. Otherwise it refuses, because no node would answer for the other parts.
func TestVectorCursor(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	_, id := connect(t, g)
	own := g.Server.Cursor().String()
	_, err := g.Client.Kick(patiently(t), &pb.KickRequest{ConnectionIds: []string{id}})
	check(t, err)
	local := &pb.Scope{Local: true}
	for _, after := range []string{"edge-1.1@5," + own, own + ",zz.1@5", own} {
		if e := follow(t, g,
			&pb.StreamEventsRequest{After: after,
				Scope: local}).next(); e.GetType() != pb.EventType_EVENT_TYPE_CLOSED || e.GetConnection().GetId() != id {
			t.Errorf("%s: %v", after, e)
		}
	}
	for after, scope := range map[string]*pb.Scope{"edge-1.1@5," + own: nil, "edge-1.1@5,zz.1@5": local,
		own + "," + own: local, own + ",": local} {
		_, err := call(patiently(t), g.Client, &pb.StreamEventsRequest{After: after, Scope: scope})
		expectFailure(t, err, failure{codes.InvalidArgument, "INVALID_CURSOR", "after"})
	}
}
