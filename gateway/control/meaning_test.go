package control

import (
	"testing"

	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestMeaning checks that the service takes the meaning that validation found, and only for the very request that was
// validated.
func TestMeaning(t *testing.T) {
	parses := 0
	again := func(r *pb.CountConnectionsRequest) (server.GroupBy, error) {
		parses++
		return groupBy(r)
	}
	request := &pb.CountConnectionsRequest{By: "labels.room"}
	ctx, err := withMeaning(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := meaningOf(ctx, request, again); err != nil || parses != 0 {
		t.Errorf("%v; parsed %d times again", err, parses)
	}
	if _, err := meaningOf(ctx, &pb.CountConnectionsRequest{By: "state"}, again); err != nil || parses != 1 {
		t.Errorf("another request: %v; parsed %d times", err, parses)
	}
	for _, bad := range []any{&pb.CountConnectionsRequest{By: "nothing"}, &pb.UpdateLimitsRequest{Limits: &pb.Limits{},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"nothing"}}}} {
		if _, err := withMeaning(t.Context(), bad); err == nil {
			t.Errorf("%v is accepted", bad)
		}
	}
}
