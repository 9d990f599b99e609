package control_test

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/gatewaytest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

var malformed = []string{"", "x", "test", "test.1", "test.1.", "test.1.0", "test.1.01", "test.1.-1", "test.1.1.1",
	"test.1.18446744073709551616",
	"Test.1.1", "test.G.1", ".1.1", "test..1", " test.1.1", "test.1.1\n", strings.Repeat("a", 33) +
		".1.1", strings.Repeat("ö", 1<<19)}

func TestMalformedID(t *testing.T) {
	g := gatewaytest.Start(t)
	for _, id := range malformed {
		for _, c := range []struct {
			request proto.Message
			field   string
		}{
			{&pb.GetConnectionRequest{Id: id}, "id"},
			{&pb.SendRequest{Id: id, Data: data(1)}, "id"},
			{&pb.BroadcastRequest{Data: data(1), ExcludeIds: []string{oneID, id}}, "exclude_ids"},
		} {
			_, err := call(patiently(t), g.Client, c.request)
			expectFailure(t, err, failure{codes.InvalidArgument, "MALFORMED_ID", c.field})
			if _, metadata := failureOf(t, err); !strings.HasPrefix(id, strings.TrimSuffix(metadata["id"], "…")) ||
				len(metadata["id"]) > 110 {
				t.Errorf("metadata %q for %.100q", metadata, id)
			}
		}
	}
}

// TestMissing checks that each reason for absence is told apart. Get tells it as an error, the other verbs as an
// outcome.
func TestMissing(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	_, live := connect(t, g)
	_, gone := connect(t, g)
	kicked, err := g.Client.Kick(patiently(t), &pb.KickRequest{ConnectionIds: []string{gone}, Reason: "bye"})
	check(t, err)
	if kicked.GetKicked() != 1 {
		t.Fatal(kicked)
	}
	prefix := live[:strings.LastIndexByte(live, '.')+1]
	for _, c := range []struct {
		id      string
		reason  string // of Get; "" when it is found
		outcome pb.Outcome
	}{
		{gone, "", pb.Outcome_OUTCOME_CLOSED},
		{prefix + "9999", "CONNECTION_NOT_FOUND", pb.Outcome_OUTCOME_NOT_FOUND},
		{prefix + "18446744073709551615", "CONNECTION_NOT_FOUND", pb.Outcome_OUTCOME_NOT_FOUND},
		{"test.1.1", "NODE_RESTARTED", pb.Outcome_OUTCOME_NODE_RESTARTED},
		{"test.ffffffffffffffff.1", "NODE_RESTARTED", pb.Outcome_OUTCOME_NODE_RESTARTED},
		{"other" + strings.TrimPrefix(live, "test"), "UNKNOWN_NODE", pb.Outcome_OUTCOME_UNKNOWN_NODE},
	} {
		_, err := g.Client.GetConnection(patiently(t), &pb.GetConnectionRequest{Id: c.id})
		if c.reason == "" {
			check(t, err)
		} else {
			expectFailure(t, err, failure{codes.NotFound, c.reason, ""})
			if _, metadata := failureOf(t, err); metadata["id"] != c.id || !strings.Contains(err.Error(), c.id) {
				t.Errorf("%s is not named: %v", c.id, err)
			}
		}
		sent, err := g.Client.Send(patiently(t), &pb.SendRequest{Id: c.id, Data: []byte("abc")})
		check(t, err)
		if sent.GetOutcome() != c.outcome ||
			sent.GetUnsentBytes() != map[bool]uint64{true: 3}[c.outcome == pb.Outcome_OUTCOME_CLOSED] {
			t.Errorf("Send to %s: %v", c.id, sent)
		}
		kicked, err := g.Client.Kick(patiently(t), &pb.KickRequest{ConnectionIds: []string{c.id}})
		check(t, err)
		expectOne(t, "Kick", c.id, c.outcome, kicked.GetOutcomes(), kicked.GetMatched(), kicked.GetClosed(),
			kicked.GetNotFound())
		labeled, err := g.Client.SetLabels(patiently(t), &pb.SetLabelsRequest{ConnectionIds: []string{c.id}, Set: labels(1)})
		check(t, err)
		expectOne(t, "SetLabels", c.id, c.outcome, labeled.GetOutcomes(), labeled.GetMatched(), labeled.GetClosed(),
			labeled.GetNotFound())
	}
	labeled, err := g.Client.SetLabels(patiently(t), &pb.SetLabelsRequest{ConnectionIds: []string{"x", live},
		Set: labels(1)})
	check(t, err)
	if o := labeled.GetOutcomes(); len(o) != 2 || o[0].GetOutcome() != pb.Outcome_OUTCOME_MALFORMED_ID ||
		o[0].GetId() != "x" ||
		o[1].GetOutcome() != pb.Outcome_OUTCOME_LABELED || o[1].GetId() != live || labeled.GetMatched() != 2 ||
		labeled.GetLabeled() != 1 || labeled.GetNotFound() != 1 {
		t.Error(labeled)
	}
}

// expectOne checks a verb's answer about one ID.
func expectOne(t *testing.T, verb, id string, want pb.Outcome, outcomes []*pb.TargetOutcome, matched, closed,
	notFound uint64) {
	t.Helper()
	isClosed := want == pb.Outcome_OUTCOME_CLOSED
	if len(outcomes) != 1 || outcomes[0].GetId() != id || outcomes[0].GetOutcome() != want || matched != 1 ||
		closed != map[bool]uint64{true: 1}[isClosed] || notFound != map[bool]uint64{true: 1}[!isClosed] {
		t.Errorf("%s of %s: %v matched %d closed %d not found %d; expected %s", verb, id, outcomes, matched, closed,
			notFound, want)
	}
}
