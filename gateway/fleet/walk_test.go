package fleet_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/fleet"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestWalkMeetsWhoJoins holds that a node that joins right behind the one with which a page ended is walked too: when the page had the last of
// its rows, and when it did not answer and was the second that the page asked.
func TestWalkMeetsWhoJoins(t *testing.T) {
	for _, c := range []struct {
		of   fleet.Answer // b's
		want string
	}{
		{page("", "b.2.1"), "a.2.1 b.2.1 bb.2.1 c.2.1"},
		{fleet.Answer{Status: statusOverloaded}, "a.2.1 bb.2.1 c.2.1"},
	} {
		n := among(t, func(_ context.Context, a fleet.Asked) fleet.Answer {
			if a.Node == "b" {
				return c.of
			}
			return page("", a.Node+".2.1")
		}, other("a", live), other("b", live), other("c", live))
		first := n.decodedPage(&pb.ListConnectionsRequest{PageSize: 2})
		n.script.Members = append(n.script.Members, other("bb", live))
		ids, _, _ := n.walk(&pb.ListConnectionsRequest{PageSize: 2, PageToken: first.GetNextPageToken()})
		for _, c := range first.GetConnections() {
			ids = append(ids, c.GetId())
		}
		if slices.Sort(ids); strings.Join(ids, " ") != c.want {
			t.Errorf("%v; expected %s", ids, c.want)
		}
	}
}

// TestLargestReply holds that limits that do not fit into a reply are not left out in silence, and that the reply is one that clients take.
func TestLargestReply(t *testing.T) {
	large := &pb.Limits{}
	for range 20_000 {
		large.Deny = append(large.Deny, "2001:db8:cafe:cafe::/80")
	}
	n := among(t, func(_ context.Context, a fleet.Asked) fleet.Answer {
		if a.Method == pb.GatewayService_GetLimits_FullMethodName {
			return ok(&pb.GetLimitsResponse{Limits: large})
		}
		return ok(&pb.UpdateLimitsResponse{Limits: large})
	}, other("a", live), other("b", live), other("c", live), other("d", live), other("e", live))
	got, err := n.GetLimits(t.Context(), &pb.GetLimitsRequest{})
	check(t, err)
	errors := 0
	for _, r := range got.GetFleet().GetNodes() {
		if r.GetStatus() == statusError && strings.Contains(r.GetMessage(), "scope.nodes") {
			errors++
		}
	}
	if proto.Size(got) >= 4<<20 || errors == 0 || len(got.GetNodes())+errors != 6 || got.GetLimits() == nil {
		t.Errorf("%d bytes, the limits of %d nodes, %d are said to be left out", proto.Size(got), len(got.GetNodes()), errors)
	}
	changed, err := n.UpdateLimits(t.Context(), &pb.UpdateLimitsRequest{Scope: &pb.Scope{Nodes: []string{"a", "b", "c", "d", "e"}}})
	check(t, err)
	last := changed.GetFleet().GetNodes()[4]
	if proto.Size(changed) >= 4<<20 || !changed.GetFleet().GetComplete() || len(changed.GetNodes()) == 5 || !strings.Contains(last.GetMessage(), "scope.nodes") {
		t.Errorf("%d bytes, the limits of %d nodes, %v", proto.Size(changed), len(changed.GetNodes()), last)
	}
}
