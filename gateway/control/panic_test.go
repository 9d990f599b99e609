package control_test

import (
	"context"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/gatewaytest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestPanic checks that a panic in a call, unary or stream, ends that call alone, and that only the log has the panic's
// text.
func TestPanic(t *testing.T) {
	var calm atomic.Bool
	var log lockedBuffer
	g := gatewaytest.Start(t)
	conn, _ := serve(t, stub{g.Server, func(context.Context) error {
		if !calm.Load() {
			panic("the secret cause")
		}
		return nil
	}}, control.Config{Logger: hclog.New(&hclog.LoggerOptions{Output: &log})})
	client := pb.NewGatewayServiceClient(conn)
	_, id := connect(t, g)
	requests := []proto.Message{
		&pb.ListConnectionsRequest{},
		&pb.CountConnectionsRequest{},
		&pb.GetConnectionRequest{Id: id},
		&pb.SendRequest{Id: id, Data: data(1)},
		&pb.BroadcastRequest{Data: data(1)},
		&pb.KickRequest{Filter: "false"},
		&pb.SetLabelsRequest{ConnectionIds: []string{id}, Set: labels(1)},
		&pb.StreamEventsRequest{},
		&pb.StreamEventsRequest{Snapshot: true},
	}
	for _, request := range requests {
		_, err := call(patiently(t), client, request)
		expectFailure(t, err, failure{codes.Internal, "PANIC", ""})
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("the caller of %T was told %v", request, err)
		}
	}
	logged := func() (calls int) { // panics of one place in the code share a line
		for _, m := range regexp.MustCompile(`panic in the control plane: calls=(\d+)`).FindAllStringSubmatch(log.String(),
			-1) {
			n, err := strconv.Atoi(m[1])
			check(t, err)
			calls += n
		}
		return calls
	}
	for deadline := time.Now().Add(patience); logged() < len(requests); {
		if time.Now().After(deadline) { // the log has a digest of them, within a second
			t.Fatalf("the log lacks panics of %d:\n%s", len(requests), log.String())
		}
		runtime.Gosched()
	}
	if !strings.Contains(log.String(), "panic_test.go") {
		t.Errorf("the log has no stack:\n%s", log.String())
	}
	calm.Store(true)
	for _, request := range requests {
		_, err := call(patiently(t), client, request)
		check(t, err)
	}
}
