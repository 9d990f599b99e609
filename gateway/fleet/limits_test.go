package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/fleet"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestForemostLimits checks which limits a reply gives first. They are never those of another node than it says.
func TestForemostLimits(t *testing.T) {
	fails := false
	n := amongWith(t, func(s *server.Server) control.Gateway {
		return broken{s, func(context.Context) error {
			if fails {
				return errors.New("no")
			}
			return nil
		}}
	}, func(_ context.Context, a fleet.Asked) fleet.Answer {
		if a.Node == "b" {
			return fleet.Answer{Status: statusTimedOut}
		}
		return ok(&pb.GetLimitsResponse{Limits: &pb.Limits{MaxConnections: 7}})
	}, other("a", live), other("b", live))
	get := func(nodes ...string) *pb.GetLimitsResponse {
		r, err := n.GetLimits(t.Context(), &pb.GetLimitsRequest{Scope: &pb.Scope{Nodes: nodes}})
		check(t, err)
		return r
	}
	if r := get(); r.GetLimits().GetMaxConnections() == 7 || r.GetLimits() == nil || len(r.GetNodes()) != 2 {
		t.Error(r)
	}
	if r := get("b", "a"); r.GetLimits().GetMaxConnections() != 7 {
		t.Error(r)
	}
	if r := get("b"); r.GetLimits() != nil {
		t.Error(r)
	}
	fails = true
	if r := get(); r.GetLimits() != nil || len(r.GetNodes()) != 1 {
		t.Error(r)
	}
}

// TestUpdateLimitsRefused checks that a request that this node refuses is sent to no other, and that the refusal of
// another node is that node's error.
func TestUpdateLimitsRefused(t *testing.T) {
	n := among(t, func(_ context.Context, a fleet.Asked) fleet.Answer { return failing(codes.InvalidArgument, "wrong") },
		other("a", live))
	_, err := n.UpdateLimits(t.Context(), &pb.UpdateLimitsRequest{Limits: &pb.Limits{HighWater: 1 << 40},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"high_water"}}})
	expectFailure(t, n.ErrorOf(err), codes.InvalidArgument, "OUT_OF_BOUNDS")
	if len(n.asked) != 0 || len(n.controls()) != 0 {
		t.Errorf("%v were asked; %d recorded", n.asked, len(n.controls()))
	}
	r, err := n.UpdateLimits(t.Context(), &pb.UpdateLimitsRequest{Limits: &pb.Limits{MaxConnections: 9},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"max_connections"}}})
	check(t, err)
	if r.GetLimits().GetMaxConnections() != 9 || r.GetFleet().GetComplete() ||
		r.GetFleet().GetNodes()[0].GetStatus() != statusError || len(r.GetNodes()) != 1 {
		t.Error(r)
	}
}

// TestLimitsHaveRoom checks that a reply with the limits of all nodes stays below the size that gRPC clients accept,
// and names the nodes whose limits it leaves out.
func TestLimitsHaveRoom(t *testing.T) {
	var members []member.Member
	for i := range 20 {
		members = append(members, other(fmt.Sprintf("n%02d", i), live))
	}
	limits := &pb.Limits{Deny: slices.Repeat([]string{strings.Repeat("x", 62)}, 6400)}
	n := among(t, func(_ context.Context, a fleet.Asked) fleet.Answer {
		if strings.HasSuffix(a.Method, "UpdateLimits") {
			return ok(&pb.UpdateLimitsResponse{Limits: limits})
		}
		return ok(&pb.GetLimitsResponse{Limits: limits})
	}, members...)
	got, err := n.GetLimits(t.Context(), &pb.GetLimitsRequest{})
	check(t, err)
	if f := got.GetFleet(); proto.Size(got) >= 4<<20 || len(got.GetNodes()) != 8 || f.GetComplete() ||
		f.GetNodes()[19].GetStatus() != statusError || got.GetLimits() == nil {
		t.Errorf("%d bytes, %d nodes", proto.Size(got), len(got.GetNodes()))
	}
	changed, err := n.UpdateLimits(t.Context(), &pb.UpdateLimitsRequest{Limits: &pb.Limits{MaxConnections: 9},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"max_connections"}}})
	check(t, err)
	if proto.Size(changed) >= 4<<20 || len(changed.GetNodes()) != 8 || !changed.GetFleet().GetComplete() ||
		len(changed.GetFleet().GetNodes()) != 21 {
		t.Errorf("%d bytes, %d nodes", proto.Size(changed), len(changed.GetNodes()))
	}
}
