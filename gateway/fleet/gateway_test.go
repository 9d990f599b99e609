package fleet_test

import (
	"context"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sockgate/sockgate/gateway/fleet"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestOneNodeUnanswered checks the error of a call about one node that did not answer it, in the node's own words. It
// also checks the reply of a call about all nodes in the same case.
func TestOneNodeUnanswered(t *testing.T) {
	const words = "the words of the node"
	for _, c := range []struct {
		status   pb.NodeStatus
		reason   string
		answered uint32 // of two nodes
	}{
		{statusTimedOut, "NODE_TIMED_OUT", 1},
		{statusUnreachable, "NODE_UNREACHABLE", 1},
		{statusLeft, "NODE_UNREACHABLE", 1},
		{statusRestarted, "NODE_UNREACHABLE", 2},
		{statusOverloaded, "NODE_REFUSED", 2},
		{statusDenied, "NODE_REFUSED", 2},
		{pb.NodeStatus_NODE_STATUS_UNSUPPORTED, "NODE_REFUSED", 2},
	} {
		a := fleet.Answer{Status: c.status, Message: words}
		if c.status == statusDenied {
			a.Err = status.Error(codes.PermissionDenied, words)
		}
		n := among(t, func(context.Context, fleet.Asked) fleet.Answer { return a }, other("b", live))
		_, err := n.GetGateway(t.Context(), &pb.GetGatewayRequest{Scope: &pb.Scope{Nodes: []string{"b"}}})
		expectFailure(t, n.ErrorOf(err), codes.Unavailable, c.reason, "node b", words)
		counted, err := n.CountConnections(t.Context(), &pb.CountConnectionsRequest{})
		check(t, err)
		f := counted.GetFleet()
		b := f.GetNodes()[0]
		if f.GetComplete() || f.GetExpected() != 2 || f.GetAnswered() != c.answered || b.GetStatus() != c.status ||
			b.GetMessage() != words {
			t.Errorf("%s: %v", c.status, f)
		}
		_, err = n.CountConnections(t.Context(), &pb.CountConnectionsRequest{Scope: &pb.Scope{RequireAll: true}})
		expectFailure(t, n.ErrorOf(err), codes.Unavailable, "NODES_MISSING", "1 of 2 nodes", "b (")
	}
}
