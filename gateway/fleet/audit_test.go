package fleet_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/fleet"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestLimitsAreRecordedInWords checks that the record of a change gives each new value as the nodes' own records do.
func TestLimitsAreRecordedInWords(t *testing.T) {
	n := among(t, func(context.Context, fleet.Asked) fleet.Answer { return ok(&pb.UpdateLimitsResponse{}) },
		other("a", live))
	limits := &pb.Limits{Allow: []string{"127.0.0.0/8", "10.0.0.0/8"}, ListenerConnections: map[string]uint64{"main": 5},
		AcceptRate:  0.5,
		IdleTimeout: durationpb.New(0), WriteTimeout: durationpb.New(90 * time.Second), QueueBudget: 1 << 30}
	mask := []string{"allow", "deny", "listener_connections", "accept_rate", "idle_timeout", "write_timeout",
		"queue_budget"}
	_, err := n.UpdateLimits(t.Context(), &pb.UpdateLimitsRequest{Limits: limits,
		UpdateMask: &fieldmaskpb.FieldMask{Paths: mask}})
	check(t, err)
	own, elsewhere := n.controls()[0], n.controls()[1]
	for _, path := range mask {
		if own.Changes[path] == "" || own.Changes[path] != elsewhere.Changes[path] {
			t.Errorf("%s: %q; expected %q", path, elsewhere.Changes[path], own.Changes[path])
		}
	}
	limits.Allow = slices.Repeat([]string{"10.0.0.0/8"}, 1000)
	_, err = n.UpdateLimits(t.Context(), &pb.UpdateLimitsRequest{Limits: limits,
		UpdateMask: &fieldmaskpb.FieldMask{Paths: mask}})
	check(t, err)
	if words := n.controls()[3].Changes["allow"]; len(words) > 256 || words[:16] != "1000: 10.0.0.0/8" {
		t.Errorf("%q", words)
	}
}

// TestBansAreRecorded checks that a ban on other nodes is recorded as their own records give it.
func TestBansAreRecorded(t *testing.T) {
	n := among(t, func(_ context.Context, a fleet.Asked) fleet.Answer {
		ban := &pb.Ban{Target: "192.0.2.1/32", Node: a.Node}
		if a.Method == pb.GatewayService_RemoveBan_FullMethodName {
			return ok(&pb.RemoveBanResponse{Ban: ban})
		}
		return ok(&pb.AddBanResponse{Ban: ban, Closed: 3})
	}, other("a", live))
	_, err := n.AddBan(t.Context(), &pb.AddBanRequest{Target: "192.0.2.1"})
	check(t, err)
	_, err = n.RemoveBan(t.Context(), &pb.RemoveBanRequest{Target: "192.0.2.1"})
	check(t, err)
	all := n.controls() // for each verb: this node's own record, and the record of the other node's work
	for i, d := range all {
		added := d.Verb == "AddBan" && i == 1
		if len(all) != 4 || d.Ban != all[0].Ban || (d.Nodes["a"] == "OK") != (i%2 == 1) || added &&
			(d.Outcomes["CLOSED"] != 3 || d.Matched != 3) {
			t.Errorf("record %d of %d: %+v", i, len(all), d)
		}
	}
}

// TestKickBanned checks that the bans of several nodes are reported as one node would: each target once, networks
// ordered by address.
func TestKickBanned(t *testing.T) {
	banned := map[string][]string{"a": {"9.0.0.1/32", "2001:db8::/64", "spiffe://b"}, "b": {"9.0.0.1/32", "10.0.0.1/32",
		"spiffe://a"}}
	n := among(t, func(_ context.Context, a fleet.Asked) fleet.Answer {
		return ok(&pb.KickResponse{Matched: 3, Kicked: 3, Banned: banned[a.Node]})
	}, other("a", live), other("b", live))
	r, err := n.Kick(t.Context(), &pb.KickRequest{Filter: "true", BanDuration: durationpb.New(time.Hour)})
	check(t, err)
	if want := []string{"9.0.0.1/32", "10.0.0.1/32", "2001:db8::/64", "spiffe://a",
		"spiffe://b"}; !slices.Equal(r.GetBanned(), want) {
		t.Errorf("%v; expected %v", r.GetBanned(), want)
	}
}

// drainWatch is a gateway that calls a function before it drains.
type drainWatch struct {
	*server.Server
	before func()
}

func (w drainWatch) StartDrain(r server.DrainRequest) server.DrainStatus {
	w.before()
	return w.Server.StartDrain(r)
}

// TestShutdownOfAll checks that the node that was asked drains last. By then it has recorded its requests to the
// others, because its log ends with the drain.
func TestShutdownOfAll(t *testing.T) {
	later := time.Now().Add(time.Hour).Truncate(time.Second)
	var n *scripted
	asked, recorded := 0, 0
	wrap := func(s *server.Server) control.Gateway {
		return drainWatch{s, func() { asked, recorded = len(n.asked), len(n.controls()) }}
	}
	deadlines := map[string]time.Time{"a": later.Add(-time.Minute), "z": later}
	n = amongWith(t, wrap, func(_ context.Context, a fleet.Asked) fleet.Answer {
		return ok(&pb.ShutdownResponse{Joined: true, Connections: 3, Deadline: timestamppb.New(deadlines[a.Node])})
	}, other("a", live), other("z", live))
	r, err := n.Shutdown(t.Context(), &pb.ShutdownRequest{Reason: "why", Scope: &pb.Scope{All: true}})
	check(t, err)
	expectComplete(t, r.GetFleet(), "a", "m", "z")
	if r.GetJoined() || r.GetConnections() != 6 || !r.GetDeadline().AsTime().Equal(later) || asked != 2 || recorded != 1 {
		t.Errorf("%v; %d were asked and %d recorded before this node drains", r, asked, recorded)
	}
	if d := n.controls()[0]; d.Verb != "Shutdown" || d.Reason != "why" || d.Matched != 6 || len(d.Nodes) != 2 ||
		d.Nodes["z"] != "OK" {
		t.Errorf("%+v", d)
	}
}
