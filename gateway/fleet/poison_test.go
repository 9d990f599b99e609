package fleet_test

import (
	"bytes"
	"context"
	"runtime"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/fleet"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// stuffed returns an outcome with a large field that no version knows.
func stuffed(id string) *pb.TargetOutcome {
	o := &pb.TargetOutcome{Id: id, Outcome: pb.Outcome_OUTCOME_KICKED}
	o.ProtoReflect().SetUnknown(protowire.AppendBytes(protowire.AppendTag(nil, 77, protowire.BytesType),
		make([]byte, contract.MaxResponse-1000)))
	return o
}

// TestRepliesStaySmall checks that nodes cannot make a reply larger than clients take: a client that refuses it does
// not learn what the other nodes did either.
func TestRepliesStaySmall(t *testing.T) {
	network := strings.Repeat("1", contract.MaxNetwork)
	lists := &pb.Limits{Allow: slices.Repeat([]string{network}, 10_000), Deny: slices.Repeat([]string{network}, 10_000)}
	forged := func(a fleet.Asked) proto.Message {
		switch {
		case strings.HasSuffix(a.Method, "/Broadcast"):
			return &pb.BroadcastResponse{Written: 1, Failures: []*pb.TargetOutcome{stuffed(a.Node + ".2.1")}}
		case strings.HasSuffix(a.Method, "/Kick"):
			return &pb.KickResponse{Outcomes: []*pb.TargetOutcome{stuffed(a.Node + ".2.1")}}
		case strings.HasSuffix(a.Method, "/GetLimits"):
			return &pb.GetLimitsResponse{Limits: lists}
		}
		return &pb.UpdateLimitsResponse{Limits: lists}
	}
	n := among(t, func(_ context.Context, a fleet.Asked) fleet.Answer { return ok(forged(a)) }, other("a", live),
		other("b", live))
	scope := &pb.Scope{Nodes: []string{"a", "b", "m"}}
	elsewhere := &pb.Scope{Nodes: []string{"a", "b"}}
	for name, call := range map[string]func() (proto.Message, error){
		"broadcast": func() (proto.Message, error) {
			return n.Broadcast(t.Context(), &pb.BroadcastRequest{Data: []byte("x"), Scope: scope})
		},
		"kick": func() (proto.Message, error) {
			return n.Kick(t.Context(), &pb.KickRequest{Filter: "true", Scope: elsewhere})
		},
		"limits": func() (proto.Message, error) {
			return n.GetLimits(t.Context(), &pb.GetLimitsRequest{Scope: elsewhere})
		},
		"new limits": func() (proto.Message, error) {
			return n.UpdateLimits(t.Context(), &pb.UpdateLimitsRequest{Limits: &pb.Limits{}, Scope: elsewhere})
		},
	} {
		r, err := call()
		if err != nil {
			t.Errorf("%s: %v", name, n.ErrorOf(err))
			continue
		}
		if size := proto.Size(r); size > contract.MaxResponse+64<<10 {
			t.Errorf("the reply to %s has %d bytes; clients take 4 MiB", name, size)
		}
	}
}

// TestAnswersStaySmall checks that an answer whose bytes would become many times as much memory is not decoded.
func TestAnswersStaySmall(t *testing.T) {
	described, _ := proto.Marshal(&pb.GetGatewayResponse{Node: "a", Incarnation: "2"})
	holders := bytes.Repeat([]byte{0x42, 0}, 9_000)
	budget := protowire.AppendBytes(protowire.AppendTag(nil, 17, protowire.BytesType), holders)
	body := append(described, bytes.Repeat(budget, 3<<20/len(budget))...)
	n := among(t, func(context.Context, fleet.Asked) fleet.Answer { return fleet.Answer{Status: statusOK, Body: body} },
		other("a", live))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := n.GetGateway(t.Context(), &pb.GetGatewayRequest{Scope: scopeOf("a")})
	runtime.ReadMemStats(&after)
	if err == nil || !strings.Contains(n.ErrorOf(err).Error(), "its answer is not used") {
		t.Errorf("%v", err)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 16<<20 {
		t.Errorf("an answer of %d bytes took %d MiB", len(body), took>>20)
	}
}
