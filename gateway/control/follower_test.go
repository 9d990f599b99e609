package control_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"google.golang.org/grpc"

	"github.com/sockgate/sockgate/gateway/gatewaytest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// follower reads one event stream and checks what must be true of every response.
type follower struct {
	t      testing.TB
	stream grpc.ServerStreamingClient[pb.StreamEventsResponse]
	cancel context.CancelFunc
	cursor string // after the last response
	queue  []*pb.Event
}

// follow opens a stream and returns when it has begun.
func follow(t testing.TB, g *gatewaytest.Gateway, r *pb.StreamEventsRequest) *follower {
	t.Helper()
	return followClient(t, g.Client, r)
}

func followClient(t testing.TB, c pb.GatewayServiceClient, r *pb.StreamEventsRequest) *follower {
	t.Helper()
	ctx, cancel := context.WithCancel(patiently(t))
	t.Cleanup(cancel)
	stream, err := c.StreamEvents(ctx, r)
	check(t, err)
	f := &follower{t: t, stream: stream, cancel: cancel}
	if err := f.receive(); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *follower) receive() error {
	response, err := f.stream.Recv()
	if err != nil {
		return err
	}
	if len(response.GetEvents()) > 256 {
		f.t.Errorf("a batch of %d events", len(response.GetEvents()))
	}
	if response.GetCursor() != "" {
		f.cursor = response.GetCursor()
	}
	f.queue = append(f.queue, response.GetEvents()...)
	return nil
}

// next returns the next event, or nil when the stream has ended with OK.
func (f *follower) next() *pb.Event {
	f.t.Helper()
	for len(f.queue) == 0 {
		if err := f.receive(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			f.t.Fatalf("after %s: %v", f.cursor, err)
		}
	}
	e := f.queue[0]
	f.queue = f.queue[1:]
	return e
}

// until returns the events up to and including the first of a type.
func (f *follower) until(last pb.EventType) []*pb.Event {
	f.t.Helper()
	var events []*pb.Event
	for {
		e := f.next()
		if e == nil {
			f.t.Fatalf("the stream ended without %s", last)
		}
		if events = append(events, e); e.GetType() == last {
			return events
		}
	}
}

// rest returns the events that come until the stream ends with OK.
func (f *follower) rest() []*pb.Event {
	f.t.Helper()
	var events []*pb.Event
	for e := f.next(); e != nil; e = f.next() {
		events = append(events, e)
	}
	return events
}

func types(events []*pb.Event) []pb.EventType {
	out := make([]pb.EventType, len(events))
	for i, e := range events {
		out[i] = e.GetType()
	}
	return out
}
