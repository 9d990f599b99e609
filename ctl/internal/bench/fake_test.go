package bench

import (
	"context"
	"sync"
	"testing"

	"google.golang.org/grpc"

	"github.com/sockgate/sockgate/ctl/internal/ctltest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

type eventStream = grpc.ServerStreamingServer[pb.StreamEventsResponse]

// fakeGateway describes itself and streams events with its functions; everything else is UNIMPLEMENTED.
type fakeGateway struct {
	pb.UnimplementedGatewayServiceServer

	gateway func() (*pb.GetGatewayResponse, error)
	stream  func(*pb.StreamEventsRequest, eventStream) error
}

func (g *fakeGateway) GetGateway(context.Context,
	*pb.GetGatewayRequest) (*pb.GetGatewayResponse, error) {
	return g.gateway()
}

func (g *fakeGateway) StreamEvents(req *pb.StreamEventsRequest, s eventStream) error {
	return g.stream(req, s)
}

// serve starts the fake on a port of its own and returns its address.
func (g *fakeGateway) serve(t testing.TB) string {
	t.Helper()
	listener := ctltest.Listen(t)
	server := grpc.NewServer()
	pb.RegisterGatewayServiceServer(server, g)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() { server.Stop(); serving.Wait() })
	return listener.Addr().String()
}
