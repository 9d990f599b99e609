package control_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/gatewaytest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestCancel checks that a call ends in the gateway when its caller gives up or runs out of time.
func TestCancel(t *testing.T) {
	g := gatewaytest.Start(t)
	began, ended := make(chan bool), make(chan error)
	conn, _ := serve(t, stub{g.Server, func(ctx context.Context) error {
		began <- true
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	}}, control.Config{})
	client := pb.NewGatewayServiceClient(conn)
	for _, request := range []proto.Message{
		&pb.ListConnectionsRequest{},
		&pb.CountConnectionsRequest{},
		&pb.SendRequest{Id: oneID, Data: data(1)},
		&pb.BroadcastRequest{Data: data(1)},
		&pb.KickRequest{Filter: "true"},
	} {
		for _, c := range []struct {
			code  codes.Code
			limit func() (context.Context, context.CancelFunc)
		}{
			{codes.Canceled, func() (context.Context, context.CancelFunc) { return context.WithCancel(patiently(t)) }},
			{codes.DeadlineExceeded, func() (context.Context, context.CancelFunc) {
				return context.WithTimeout(patiently(t), 50*time.Millisecond)
			}},
		} {
			ctx, cancel := c.limit()
			failed := make(chan error, 1)
			go func() {
				_, err := call(ctx, client, request)
				failed <- err
			}()
			<-began
			if c.code == codes.Canceled {
				cancel()
			}
			<-ended
			if err := <-failed; failureCode(err) != c.code {
				t.Errorf("%T: %v; expected %s", request, err, c.code)
			}
			cancel()
		}
	}
}

// TestCancelStream checks that the gateway forgets a stream whose caller has left.
func TestCancelStream(t *testing.T) {
	g := gatewaytest.Start(t)
	watcher := follow(t, g, &pb.StreamEventsRequest{})
	f := follow(t, g, &pb.StreamEventsRequest{Types: []pb.EventType{pb.EventType_EVENT_TYPE_LISTENING}})
	f.cancel()
	for {
		reply, err := g.Client.GetGateway(patiently(t), &pb.GetGatewayRequest{})
		check(t, err)
		if reply.GetTotals().GetEventStreams() == 1 {
			break
		}
	}
	watcher.cancel()
}

// TestSendWaits checks that a Send with WRITTEN answers when its time is over, with the outcome so far.
func TestSendWaits(t *testing.T) {
	g := gatewaytest.Start(t)
	_, id := connect(t, g) // it reads nothing more
	for {
		reply, err := g.Client.Send(patiently(t), &pb.SendRequest{Id: id, Data: data(512 << 10),
			Wait:        pb.SendWait_SEND_WAIT_WRITTEN,
			WaitTimeout: period(100 * time.Millisecond)})
		check(t, err)
		switch reply.GetOutcome() {
		case pb.Outcome_OUTCOME_WRITTEN:
			continue
		case pb.Outcome_OUTCOME_QUEUED:
			if reply.GetQueuedBytes() == 0 {
				t.Error(reply)
			}
			return
		}
		t.Fatal(reply)
	}
}
