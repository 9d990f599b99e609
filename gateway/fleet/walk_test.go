package fleet_test

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/sockgate/sockgate/gateway/internal/fleettest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestWalkMeetsWhoJoins holds that a node that joins in the middle of a walk, with a name behind the one that the walk is at, is walked too:
// also when the page before ended with the last row of that one.
func TestWalkMeetsWhoJoins(t *testing.T) {
	for _, size := range []int32{2, 3} { // ends within a, and with a
		loop := fleettest.NewLoopback()
		gates := startFleet(t, loop, "a", "c")
		gates[0].connect(t, 3)
		gates[1].connect(t, 1)
		page, err := gates[0].client.ListConnections(patiently(t), &pb.ListConnectionsRequest{PageSize: size})
		check(t, err)
		b := start(t, loop, "b")
		settle(t, gates[0], b, gates[1])
		b.connect(t, 2)
		ids, _ := gates[1].list(t, &pb.ListConnectionsRequest{PageSize: size, PageToken: page.GetNextPageToken()})
		for _, c := range page.GetConnections() {
			ids = append(ids, c.GetId())
		}
		slices.Sort(ids)
		if want := union(t, []*gate{gates[0], b, gates[1]}); !slices.Equal(ids, want) {
			t.Errorf("pages of %d: %v; expected %v", size, ids, want)
		}
	}
}

// TestLimitsAreRecordedInWords holds that the record of a change tells each new value as the nodes' own records do.
func TestLimitsAreRecordedInWords(t *testing.T) {
	gates := startFleet(t, fleettest.NewLoopback(), "a", "b")
	limits := &pb.Limits{Allow: []string{"127.0.0.0/8", "10.0.0.0/8"}, ListenerConnections: map[string]uint64{"main": 5}, AcceptRate: 0.5,
		IdleTimeout: durationpb.New(0), QueueBudget: 1 << 30}
	mask := []string{"allow", "deny", "listener_connections", "accept_rate", "idle_timeout", "queue_budget"}
	_, err := gates[0].client.UpdateLimits(patiently(t), &pb.UpdateLimitsRequest{Limits: limits, UpdateMask: &fieldmaskpb.FieldMask{Paths: mask}})
	check(t, err)
	own, all := gates[0].controls(t)[0], gates[0].controls(t)[1]
	for _, path := range mask {
		if own.Changes[path] == "" || own.Changes[path] != all.Changes[path] {
			t.Errorf("%s: %q; expected %q", path, all.Changes[path], own.Changes[path])
		}
	}
}
