package control_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/auth"
	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/gatewaytest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestHandlerRole checks that a handler's program, with a token and with a certificate, may call no method of
// GatewayService. Each denial names the role that the program has and the one that it needs, and is counted.
func TestHandlerRole(t *testing.T) {
	ca := newAuthority()
	tokens := openTokens(t, nil, tokenLine("be", "handler:chat"), tokenLine("ops", "admin"))
	config := control.Config{TLS: ca.server(), Auth: auth.Config{Tokens: tokens.TokenFile,
		Handlers: map[string]string{"spiffe://test/be/*": "chat"}}}
	conn, _ := serveAs(t, undrained{gatewaytest.Start(t).Server}, config, ca.client())
	certified := connectAs(t, conn, ca.client(ca.named("spiffe://test/be/1")))
	for _, m := range methods() {
		needs, _ := proto.GetExtension(m.Options(), pb.E_RequiredRole).(pb.Role)
		for way, err := range map[string]error{
			"token":       invoke(bearing(patiently(t), tokenOf("be")), conn, m, nil),
			"certificate": invoke(patiently(t), certified, m, nil),
		} {
			expectFailure(t, err, failure{codes.PermissionDenied, "ROLE_REQUIRED", ""})
			if _, metadata := failureOf(t, err); metadata["has"] != "HANDLER:chat" ||
				metadata["needs"] != auth.RoleName(needs) || !strings.Contains(err.Error(), "has handler:chat") {
				t.Errorf("%s by %s: %v, %v", m.Name(), way, err, metadata)
			}
		}
	}
	r, err := pb.NewGatewayServiceClient(conn).GetGateway(bearing(patiently(t), tokenOf("ops")), &pb.GetGatewayRequest{})
	check(t, err)
	if n := r.GetTotals().GetDeniedCalls()["ROLE_REQUIRED"]; n != uint64(2*len(methods())) {
		t.Errorf("%d denied calls are counted; expected %d", n, 2*len(methods()))
	}
}

// TestHandlerLooksAtTheContract checks that a handler's program may use reflection and health, as its tools may need.
func TestHandlerLooksAtTheContract(t *testing.T) {
	tokens := openTokens(t, nil, tokenLine("be", "handler:chat"))
	conn, _ := serve(t, gatewaytest.Start(t).Server, control.Config{Auth: auth.Config{Required: true,
		Tokens: tokens.TokenFile}})
	as := func() context.Context { return bearing(patiently(t), tokenOf("be")) }
	_, err := healthpb.NewHealthClient(conn).Check(as(), &healthpb.HealthCheckRequest{})
	check(t, err)
	for _, version := range []string{"v1", "v1alpha"} {
		stream, err := conn.NewStream(as(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true},
			"/grpc.reflection."+version+".ServerReflection/ServerReflectionInfo")
		check(t, err)
		check(t, stream.CloseSend())
		if err := stream.RecvMsg(&healthpb.HealthCheckResponse{}); err != io.EOF {
			t.Errorf("%s: %v", version, err)
		}
	}
}

// TestHandlerOfAUser checks that a user of the machine can have the role of a handler, in place of admin.
func TestHandlerOfAUser(t *testing.T) {
	listener, err := net.Listen("unix", t.TempDir()+"/control.sock")
	check(t, err)
	conn, err := grpc.NewClient("unix://"+listener.Addr().String(),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(t, err)
	serveOn(t, listener, conn, gatewaytest.Start(t).Server,
		control.Config{Auth: auth.Config{Handlers: map[string]string{ownIdentity(): "chat"}}})
	_, err = pb.NewGatewayServiceClient(conn).GetGateway(patiently(t), &pb.GetGatewayRequest{})
	expectFailure(t, err, failure{codes.PermissionDenied, "ROLE_REQUIRED", ""})
	if _, metadata := failureOf(t, err); metadata["has"] != "HANDLER:chat" {
		t.Error(metadata)
	}
}
