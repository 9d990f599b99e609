package fleet_test

import (
	"context"
	"slices"
	"strings"
	"testing"

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
