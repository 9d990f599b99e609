package control_test

import (
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"

	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/gatewaytest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestHealth checks that health answers SERVING, and NOT_SERVING from the beginning of a drain, to Check and to Watch.
func TestHealth(t *testing.T) {
	g := gatewaytest.Start(t)
	conn := dial(t, g) // keeps the drain from ending
	health := healthpb.NewHealthClient(g.Conn)
	services := []string{"", "sockgate.v1.GatewayService"}
	var watches []healthpb.Health_WatchClient
	for _, service := range services {
		w, err := health.Watch(patiently(t), &healthpb.HealthCheckRequest{Service: service})
		check(t, err)
		watches = append(watches, w)
	}
	expect := func(want healthpb.HealthCheckResponse_ServingStatus) {
		t.Helper()
		for i, service := range services {
			watched, err := watches[i].Recv()
			check(t, err)
			asked, err := health.Check(patiently(t), &healthpb.HealthCheckRequest{Service: service})
			check(t, err)
			if watched.GetStatus() != want || asked.GetStatus() != want {
				t.Errorf("%q: %s was watched, %s asked; expected %s", service, watched.GetStatus(), asked.GetStatus(), want)
			}
		}
	}
	expect(healthpb.HealthCheckResponse_SERVING)
	_, err := g.Client.Shutdown(patiently(t), &pb.ShutdownRequest{GracePeriod: period(patience)})
	check(t, err)
	expect(healthpb.HealthCheckResponse_NOT_SERVING)
	echo(t, conn, "still here")
	if _, err := health.Check(patiently(t),
		&healthpb.HealthCheckRequest{Service: "other"}); failureCode(err) != codes.NotFound {
		t.Error(err)
	}
}

// TestStopEndsWatch checks that watchers do not keep a server from stopping.
func TestStopEndsWatch(t *testing.T) {
	conn, s := serve(t, gatewaytest.Start(t).Server, control.Config{})
	w, err := healthpb.NewHealthClient(conn).Watch(patiently(t), &healthpb.HealthCheckRequest{})
	check(t, err)
	_, err = w.Recv()
	check(t, err)
	ctx := patiently(t)
	s.Stop(ctx)
	check(t, ctx.Err())
	if _, err := w.Recv(); failureCode(err) != codes.Canceled && failureCode(err) != codes.Unavailable {
		t.Error(err)
	}
}

func TestReflection(t *testing.T) {
	g := gatewaytest.Start(t)
	stream, err := reflectionpb.NewServerReflectionClient(g.Conn).ServerReflectionInfo(patiently(t))
	check(t, err)
	check(t, stream.Send(&reflectionpb.ServerReflectionRequest{
		MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}))
	r, err := stream.Recv()
	check(t, err)
	var names []string
	for _, s := range r.GetListServicesResponse().GetService() {
		names = append(names, s.GetName())
	}
	for _, want := range []string{"sockgate.v1.GatewayService", "grpc.health.v1.Health",
		"grpc.reflection.v1.ServerReflection"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is not among %v", want, names)
		}
	}
	check(t, stream.CloseSend())
	_, _ = stream.Recv()
}
