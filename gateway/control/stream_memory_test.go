package control_test

import (
	"io"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/auth"
	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/gatewaytest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestStreamsWaitWithEmptyHands checks that streams of payloads that nobody reads, each with a selection of its own,
// have no batch in hand while they wait for room in the memory for calls.
func TestStreamsWaitWithEmptyHands(t *testing.T) {
	const budget, streams, most = 16 << 20, 100, 48 << 20 // the budget, the feeds' 16 MiB, and half as much again
	tokens := openTokens(t, nil, tokenLine("ops", "admin"), tokenLine("hostile", "operator"))
	g := gatewaytest.Start(t)
	first, _ := serve(t, g.Server, control.Config{MemoryBudget: budget, Auth: auth.Config{Required: true,
		Tokens: tokens.TokenFile}})
	ops := pb.NewGatewayServiceClient(first)
	before := inUse()
	for i := range streams {
		message, err := proto.Marshal(&pb.StreamEventsRequest{IncludeData: true, MaxDataBytes: int32(64<<10 - i)})
		check(t, err)
		c := rawDial(t, first.Target(), tokenOf("hostile"), 0)
		check(t, c.call(pb.GatewayService_StreamEvents_FullMethodName, len(message), message, true))
	}
	for open := uint64(0); open < streams; {
		r, err := ops.GetGateway(bearing(patiently(t), tokenOf("ops")), &pb.GetGatewayRequest{})
		check(t, err)
		open = r.GetTotals().GetEventStreams()
	}
	conn := dial(t, g)
	go func() { _, _ = io.Copy(io.Discard, conn) }()
	payload := make([]byte, 64<<10)
	var looks []int64
	for range 100 {
		for range 8 {
			_, err := conn.Write(payload)
			check(t, err)
		}
		held(t, ops, "calls")
		looks = append(looks, inUse()-before)
	}
	slices.Sort(looks)
	if median := looks[len(looks)/2]; median > most {
		t.Errorf("%d streams that wait hold %d MiB, as the median of 100 looks, with a budget of %d", streams, median>>20,
			budget>>20)
	}
}
