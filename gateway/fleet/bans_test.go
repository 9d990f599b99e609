package fleet_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestRemoveBanNowhere checks that a ban that no node has is not found. The request changes nothing and is not
// recorded. If some node may have the ban, the error does not say that no node has it.
func TestRemoveBanNowhere(t *testing.T) {
	absent := failing(codes.NotFound, "none")
	of := map[string]fleet.Answer{"a": absent, "b": absent}
	n := among(t, func(_ context.Context, a fleet.Asked) fleet.Answer { return of[a.Node] }, other("a", live),
		other("b", live))
	r := &pb.RemoveBanRequest{Target: "192.0.2.1"}
	_, err := n.RemoveBan(t.Context(), r)
	if status.Code(n.ErrorOf(err)) != codes.NotFound || len(n.controls()) != 0 {
		t.Errorf("%v, recorded %d", err, len(n.controls()))
	}
	of["b"] = fleet.Answer{Status: statusTimedOut}
	got, err := n.RemoveBan(t.Context(), r)
	check(t, err)
	if got.GetFleet().GetComplete() || got.GetFleet().GetNodes()[0].GetStatus() != statusOK ||
		got.GetFleet().GetNodes()[0].GetMessage() != "" || got.GetBan() != nil {
		t.Error(got)
	}
	if c := n.controls(); len(c) != 1 || c[0].Nodes["b"] != "TIMED_OUT" {
		t.Errorf("%+v", c)
	}
	of["b"] = ok(&pb.RemoveBanResponse{Ban: &pb.Ban{Node: "b", Target: "192.0.2.1/32"}})
	if got, err = n.RemoveBan(t.Context(), r); err != nil || got.GetBan().GetNode() != "b" ||
		!got.GetFleet().GetComplete() {
		t.Error(got, err)
	}
}

// TestAddBanMerged checks that the reply has this node's ban if there is one, and that a ban is durable only if it is
// durable on every node.
func TestAddBanMerged(t *testing.T) {
	durable := map[string]bool{"a": true, "z": true}
	n := among(t, func(_ context.Context, a fleet.Asked) fleet.Answer {
		return ok(&pb.AddBanResponse{Ban: &pb.Ban{Node: a.Node, Target: "192.0.2.1/32"}, Durable: durable[a.Node],
			Replaced: a.Node == "z", Closed: 2})
	}, other("a", live), other("z", live))
	add := func(nodes ...string) *pb.AddBanResponse {
		r, err := n.AddBan(t.Context(), &pb.AddBanRequest{Target: "192.0.2.1", Scope: &pb.Scope{Nodes: nodes}})
		check(t, err)
		return r
	}
	if r := add(); r.GetBan().GetNode() != "m" || r.GetDurable() || !r.GetReplaced() || r.GetClosed() != 4 {
		t.Error(r)
	}
	if r := add("a", "z"); r.GetBan().GetNode() != "a" || !r.GetDurable() {
		t.Error(r)
	}
	durable["a"] = false
	if r := add("a", "z"); r.GetDurable() {
		t.Error(r)
	}
}

// TestWalkOfLongIdentities checks that a walk through the bans of an honest node takes its tokens, which have the
// longest identities in them.
func TestWalkOfLongIdentities(t *testing.T) {
	z := among(t, nil)
	for i := range 3 {
		_, err := z.server.AddBan(server.AddBanRequest{Target: fmt.Sprint(i, strings.Repeat("x", event.MaxIdentity-1)),
			Identity: true})
		check(t, err)
	}
	n := among(t, func(ctx context.Context, a fleet.Asked) fleet.Answer {
		r := &pb.ListBansRequest{}
		check(t, proto.Unmarshal(a.Body, r))
		p, err := z.ListBans(ctx, r)
		check(t, err)
		p.Fleet = nil
		for _, b := range p.GetBans() {
			b.Node = a.Node
		}
		return ok(p)
	}, other("a", live))
	r := &pb.ListBansRequest{PageSize: 1, Scope: scopeOf("a")}
	for i := range 3 {
		p, err := n.ListBans(t.Context(), r)
		check(t, err)
		if !p.GetFleet().GetComplete() || (p.GetNextPageToken() == "") != (i == 2) {
			t.Fatalf("page %d: %v", i, p)
		}
		r.PageToken = p.GetNextPageToken()
	}
	if v := n.violations(); len(v) > 0 {
		t.Errorf("published %v", v)
	}
}
