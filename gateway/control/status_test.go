package control_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/filter"
	"github.com/sockgate/sockgate/gateway/gatewaytest"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestStatus checks the table from errors of a gateway to statuses, for unary calls and streams.
func TestStatus(t *testing.T) {
	var fail error
	g := gatewaytest.Start(t)
	conn, _ := serve(t, stub{g.Server, func(context.Context) error { return fail }}, control.Config{})
	client := pb.NewGatewayServiceClient(conn)
	for _, c := range []struct {
		err  error
		want failure
	}{
		{&server.MalformedIDError{ID: "x"}, failure{codes.InvalidArgument, "MALFORMED_ID", "id"}},
		{&server.NotFoundError{ID: oneID, Outcome: server.OutcomeNotFound},
			failure{codes.NotFound, "CONNECTION_NOT_FOUND", ""}},
		{&server.NotFoundError{ID: oneID, Outcome: server.OutcomeClosed},
			failure{codes.NotFound, "CONNECTION_FORGOTTEN", ""}},
		{&server.NotFoundError{ID: oneID, Outcome: server.OutcomeNodeRestarted},
			failure{codes.NotFound, "NODE_RESTARTED", ""}},
		{&server.NotFoundError{ID: oneID, Outcome: server.OutcomeUnknownNode}, failure{codes.NotFound, "UNKNOWN_NODE", ""}},
		{&filter.Error{Expr: "x", Line: 1, Column: 1, Message: "wrong"},
			failure{codes.InvalidArgument, "INVALID_FILTER", "filter"}},
		{&event.CursorError{Text: "a cursor that is none"}, failure{codes.InvalidArgument, "INVALID_CURSOR", "after"}},
		{&server.RequestIDError{ID: uuid}, failure{codes.InvalidArgument, "REQUEST_ID_REUSED", "request_id"}},
		{server.ErrTooManyRequests, failure{codes.ResourceExhausted, "TOO_MANY_REQUEST_IDS", ""}},
		{&server.LimitError{Field: "high_water", Text: "high water 0: expected more"},
			failure{codes.InvalidArgument, "OUT_OF_BOUNDS", "limits.high_water"}},
		{&server.BanTargetError{Target: "x"}, failure{codes.InvalidArgument, "INVALID_TARGET", "target"}},
		{&server.BanNotFoundError{Target: "192.0.2.1/32"}, failure{codes.NotFound, "BAN_NOT_FOUND", ""}},
		{server.ErrTooManyBans, failure{codes.ResourceExhausted, "TOO_MANY_BANS", ""}},
		{context.DeadlineExceeded, failure{codes.DeadlineExceeded, "DEADLINE_EXCEEDED", ""}},
		{context.Canceled, failure{codes.Canceled, "CANCELED", ""}},
		{errors.New("something else"), failure{codes.Internal, "INTERNAL", ""}},
		{errors.New("something that is not \xff UTF-8"), failure{codes.Internal, "INTERNAL", ""}},
		{&event.CursorError{Text: "a cursor that is \xff not UTF-8"}, failure{codes.InvalidArgument, "INVALID_CURSOR",
			"after"}},
	} {
		for _, err := range []error{c.err, fmt.Errorf("while testing: %w", c.err)} {
			fail = err
			for _, request := range []proto.Message{&pb.GetConnectionRequest{Id: oneID}, &pb.StreamEventsRequest{}} {
				_, got := call(patiently(t), client, request)
				expectFailure(t, got, c.want)
			}
		}
	}
}

func TestRetryInfo(t *testing.T) {
	g := gatewaytest.Start(t)
	for i := range 16384 {
		_, err := g.Server.Broadcast(patiently(t), server.BroadcastRequest{Data: data(1), RequestID: fmt.Sprint(i)})
		check(t, err)
	}
	_, err := g.Client.Broadcast(patiently(t), &pb.BroadcastRequest{Data: data(1), RequestId: uuid})
	expectFailure(t, err, failure{codes.ResourceExhausted, "TOO_MANY_REQUEST_IDS", ""})
	for _, d := range status.Convert(err).Details() {
		if retry, ok := d.(*errdetails.RetryInfo); ok && retry.GetRetryDelay().AsDuration() > 0 &&
			retry.GetRetryDelay().AsDuration() <= 2*time.Minute {
			return
		}
	}
	t.Errorf("no RetryInfo: %v", status.Convert(err).Details())
}
