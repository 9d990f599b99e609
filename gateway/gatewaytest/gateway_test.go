package gatewaytest_test

import (
	"context"
	"net"
	"testing"

	"go.uber.org/goleak"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/sockgate/sockgate/gateway/gatewaytest"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestStart holds that Start gives an echo and a client that is connected, and that Stop leaves nothing behind.
func TestStart(t *testing.T) {
	drained := make(chan struct{})
	g := gatewaytest.Start(t, func(c *server.Config) {
		c.Node = "mine"
		c.OnDrain = func() { close(drained) }
	})
	conn, err := net.Dial("tcp", g.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answer := make([]byte, 2)
	if _, err := conn.Write([]byte("hi")); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(answer); err != nil || answer[0] != 'h' {
		t.Fatal(answer, err)
	}
	info, err := g.Client.GetGateway(t.Context(), &pb.GetGatewayRequest{})
	if err != nil || info.GetNode() != "mine" || info.GetListeners()[0].GetAddress() != g.Addr ||
		info.GetTotals().GetConnections() != 1 {
		t.Fatal(info, err)
	}
	if _, err := g.Client.Shutdown(t.Context(), &pb.ShutdownRequest{}); err != nil {
		t.Fatal(err)
	}
	<-drained
	health, err := healthpb.NewHealthClient(g.Conn).Check(t.Context(), &healthpb.HealthCheckRequest{})
	if err != nil || health.GetStatus() != healthpb.HealthCheckResponse_NOT_SERVING {
		t.Error(health, err)
	}
	g.Stop()
	g.Stop()
	if _, err := g.Client.GetGateway(context.Background(), &pb.GetGatewayRequest{}); err == nil {
		t.Error("the client is still connected")
	}
}

// TestStopWithoutUse holds that a gateway can be stopped as soon as it has started.
func TestStopWithoutUse(t *testing.T) {
	for range 20 {
		gatewaytest.Start(t).Stop()
	}
}
