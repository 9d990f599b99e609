package fleet_test

import (
	"context"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/sockgate/sockgate/gateway/fleet"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestOutcomes checks the outcome of a target for each end of the request at its node.
func TestOutcomes(t *testing.T) {
	var a fleet.Answer
	n := among(t, func(context.Context, fleet.Asked) fleet.Answer { return a }, other("b", live), other("c", unreachable))
	kick := func(id string) (pb.Outcome, *pb.FleetResult) {
		r, err := n.Kick(t.Context(), &pb.KickRequest{ConnectionIds: []string{"x.1.1", id}})
		check(t, err)
		return r.GetOutcomes()[1].GetOutcome(), r.GetFleet()
	}
	for _, c := range []struct {
		answer fleet.Answer
		want   pb.Outcome
	}{
		{fleet.Answer{Status: statusTimedOut}, pb.Outcome_OUTCOME_UNKNOWN},
		{fleet.Answer{Status: statusLeft}, pb.Outcome_OUTCOME_UNKNOWN},
		{fleet.Answer{Status: statusUnreachable}, pb.Outcome_OUTCOME_NODE_UNREACHABLE},
		{fleet.Answer{Status: statusRestarted}, pb.Outcome_OUTCOME_NODE_RESTARTED},
		{fleet.Answer{Status: statusOverloaded}, pb.Outcome_OUTCOME_NODE_REFUSED},
		{fleet.Answer{Status: statusDenied}, pb.Outcome_OUTCOME_NODE_REFUSED},
		{ok(&pb.KickResponse{}), pb.Outcome_OUTCOME_UNKNOWN},
	} {
		a = c.answer
		if got, _ := kick("b.2.1"); got != c.want {
			t.Errorf("%v: %s; expected %s", a, got, c.want)
		}
	}
	// One of several targets fails while the node carries it out, and another node refuses.
	n.script.Members[1].State = live
	n.script.Answer = func(_ context.Context, a fleet.Asked) fleet.Answer {
		if a.Node == "b" {
			return failing(codes.Internal, "panic")
		}
		return failing(codes.ResourceExhausted, "full")
	}
	r, err := n.Kick(t.Context(), &pb.KickRequest{ConnectionIds: []string{"c.2.1", "b.2.1"}})
	check(t, err)
	if o := r.GetOutcomes(); o[0].GetOutcome() != pb.Outcome_OUTCOME_NODE_REFUSED ||
		o[1].GetOutcome() != pb.Outcome_OUTCOME_UNKNOWN {
		t.Error(r)
	}
}

// TestUnheardLife checks that a target of a life that was not heard of yet is missing, and so is its node.
func TestUnheardLife(t *testing.T) {
	n := among(t, func(context.Context, fleet.Asked) fleet.Answer {
		return ok(&pb.KickResponse{Outcomes: []*pb.TargetOutcome{{Id: "b.2.1", Outcome: pb.Outcome_OUTCOME_KICKED}}})
	}, other("b", live))
	expectMissing := func(f *pb.FleetResult) {
		t.Helper()
		if len(f.GetNodes()) != 1 || f.GetComplete() || f.GetExpected() != 1 || f.GetAnswered() != 0 ||
			f.GetNodes()[0].GetStatus() != statusUnreachable {
			t.Error(f)
		}
	}
	sent, err := n.Send(t.Context(), &pb.SendRequest{Id: "b.3.1", Data: []byte("x")})
	check(t, err)
	expectMissing(sent.GetFleet())
	kicked, err := n.Kick(t.Context(), &pb.KickRequest{ConnectionIds: []string{"b.3.1"}})
	check(t, err)
	expectMissing(kicked.GetFleet())
	if sent.GetOutcome() != pb.Outcome_OUTCOME_NODE_UNREACHABLE ||
		kicked.GetOutcomes()[0].GetOutcome() != pb.Outcome_OUTCOME_NODE_UNREACHABLE || len(n.asked) != 0 {
		t.Errorf("%v %v", sent, kicked)
	}
	_, err = n.Send(t.Context(), &pb.SendRequest{Id: "b.3.1", Data: []byte("x"), Scope: &pb.Scope{RequireAll: true}})
	expectFailure(t, n.ErrorOf(err), codes.Unavailable, "NODES_MISSING", "b (UNREACHABLE)")
	both, err := n.Kick(t.Context(), &pb.KickRequest{ConnectionIds: []string{"b.3.1", "b.2.1"}})
	check(t, err)
	if len(both.GetFleet().GetNodes()) != 1 || both.GetKicked() != 1 ||
		both.GetOutcomes()[0].GetOutcome() != pb.Outcome_OUTCOME_NODE_UNREACHABLE {
		t.Error(both)
	}
	n.script.Members[0].State = left
	sent, err = n.Send(t.Context(), &pb.SendRequest{Id: "b.2.1", Data: []byte("xyz")})
	check(t, err)
	if sent.GetOutcome() != pb.Outcome_OUTCOME_CLOSED || sent.GetUnsentBytes() != 3 || !sent.GetFleet().GetComplete() {
		t.Error(sent)
	}
}

// TestGetAbsent checks the error for a connection of a node that restarts while it is asked.
func TestGetAbsent(t *testing.T) {
	n := among(t, func(context.Context, fleet.Asked) fleet.Answer { return fleet.Answer{Status: statusRestarted} },
		other("b", live))
	_, err := n.GetConnection(t.Context(), &pb.GetConnectionRequest{Id: "b.2.1"})
	expectFailure(t, n.ErrorOf(err), codes.NotFound, "NODE_RESTARTED", "b.2.1")
	_, err = n.GetConnection(t.Context(), &pb.GetConnectionRequest{Id: "b.3.1"})
	expectFailure(t, n.ErrorOf(err), codes.Unavailable, "NODE_UNREACHABLE", "b.3.1")
	n.script.Members[0].State = left
	_, err = n.GetConnection(t.Context(), &pb.GetConnectionRequest{Id: "b.2.1"})
	expectFailure(t, n.ErrorOf(err), codes.NotFound, "CONNECTION_FORGOTTEN", "b.2.1")
	n.script.Members[0].State = live
	n.script.Answer = func(context.Context, fleet.Asked) fleet.Answer { return failing(codes.Internal, "it cannot") }
	_, err = n.GetConnection(t.Context(), &pb.GetConnectionRequest{Id: "b.2.1"})
	expectFailure(t, n.ErrorOf(err), codes.Internal, "NODE_REFUSED", "b", "it cannot")
}
