package control_test

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/gatewaytest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestFilterError checks that every call with a filter tells where the filter is wrong.
func TestFilterError(t *testing.T) {
	g := gatewaytest.Start(t)
	for _, c := range []struct{ filter, line, column string }{
		{"nonsense", "1", "1"},
		{"state ==\n  queued_bytes", "1", "7"},
		{"id == 'a' &&\n  foo", "2", "3"},
		{`"a"`, "1", "1"},
		{"(", "1", "2"},
		{" ", "1", "2"},
	} {
		for _, request := range []proto.Message{
			&pb.ListConnectionsRequest{Filter: c.filter},
			&pb.CountConnectionsRequest{Filter: c.filter},
			&pb.BroadcastRequest{Filter: c.filter, Data: data(1)},
			&pb.KickRequest{Filter: c.filter},
			&pb.SetLabelsRequest{Filter: c.filter, Set: labels(1)},
			&pb.StreamEventsRequest{Filter: c.filter},
		} {
			_, err := call(patiently(t), g.Client, request)
			expectFailure(t, err, failure{codes.InvalidArgument, "INVALID_FILTER", "filter"})
			if _, metadata := failureOf(t, err); metadata["line"] != c.line || metadata["column"] != c.column {
				t.Errorf("%q is wrong at %v; expected line %s column %s: %v", c.filter, metadata, c.line, c.column, err)
			}
		}
	}
}
