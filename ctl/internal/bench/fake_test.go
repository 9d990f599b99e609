package bench

import (
	"context"
	"sync"
	"testing"

	"google.golang.org/grpc"

	"github.com/sockgate/sockgate/ctl/internal/ctltest"
	sockgatev1 "github.com/sockgate/sockgate/gen/sockgate/v1"
)

type eventStream = grpc.ServerStreamingServer[sockgatev1.StreamEventsResponse]

// fakeGateway describes itself and streams events with its functions; everything else is UNIMPLEMENTED.
type fakeGateway struct {
	sockgatev1.UnimplementedGatewayServiceServer

	gateway func() (*sockgatev1.GetGatewayResponse, error)
	stream  func(*sockgatev1.StreamEventsRequest, eventStream) error
}

func (g *fakeGateway) GetGateway(context.Context,
	*sockgatev1.GetGatewayRequest) (*sockgatev1.GetGatewayResponse, error) {
	return g.gateway()
}

func (g *fakeGateway) StreamEvents(req *sockgatev1.StreamEventsRequest, s eventStream) error {
	return g.stream(req, s)
}

// serve starts the fake on a port of its own and returns its address.
func (g *fakeGateway) serve(t testing.TB) string {
	t.Helper()
	listener := ctltest.Listen(t)
	server := grpc.NewServer()
	sockgatev1.RegisterGatewayServiceServer(server, g)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() { server.Stop(); serving.Wait() })
	return listener.Addr().String()
}
