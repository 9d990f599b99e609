package control_test

import (
	"crypto/tls"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/sockgate/sockgate/gateway/auth"
	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/gatewaytest"
	"github.com/sockgate/sockgate/gateway/internal/authority"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// expectEnd reads a stream until it ends, and checks that it ends with this failure.
func expectEnd(t testing.TB, stream grpc.ServerStreamingClient[pb.StreamEventsResponse], want failure) {
	t.Helper()
	for {
		if _, err := stream.Recv(); err != nil {
			expectFailure(t, err, want)
			return
		}
	}
}

// TestRevocation checks that the streams of a removed or changed token end at once. The streams of other tokens go on,
// and a broken file changes nothing.
func TestRevocation(t *testing.T) {
	for name, c := range map[string]struct {
		line    string // the token's line afterwards
		ends    bool
		refused string // the reason that the next call gets
	}{
		"removed":        {"", true, "TOKEN_REVOKED"},
		"less may":       {tokenLine("ops", "viewer"), true, ""},
		"other name":     {strings.Replace(tokenLine("ops", "operator"), "ops", "new", 1), true, ""},
		"expires now":    {tokenLine("ops", "operator", "expires:2020-01-01T00:00:00Z"), true, "TOKEN_EXPIRED"},
		"stays":          {"# moved\n" + tokenLine("ops", "operator"), false, ""},
		"file is broken": {"ops operator\n", false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			tokens := openTokens(t, nil, tokenLine("ops", "operator"), tokenLine("other", "viewer"))
			g := gatewaytest.Start(t)
			conn, _ := serve(t, g.Server, control.Config{Auth: auth.Config{Required: true, Tokens: tokens.TokenFile}})
			client := pb.NewGatewayServiceClient(conn)
			streams := make(map[string]grpc.ServerStreamingClient[pb.StreamEventsResponse])
			for _, of := range []string{"ops", "other"} {
				stream, err := client.StreamEvents(bearing(patiently(t), tokenOf(of)),
					&pb.StreamEventsRequest{Types: []pb.EventType{connected}})
				check(t, err)
				_, err = stream.Recv()
				check(t, err)
				streams[of] = stream
			}
			writeTokens(t, tokens.path, c.line, tokenLine("other", "viewer"))
			if err := tokens.Reload(); (err != nil) != (name == "file is broken") {
				t.Fatal(err)
			}
			dial(t, g) // makes an event
			if c.ends {
				expectEnd(t, streams["ops"], failure{codes.Unauthenticated, "TOKEN_REVOKED", ""})
			} else if r, err := streams["ops"].Recv(); err != nil || len(r.GetEvents()) == 0 {
				t.Errorf("%v, %v; expected to go on", r, err)
			}
			if r, err := streams["other"].Recv(); err != nil || len(r.GetEvents()) == 0 {
				t.Errorf("another token's stream: %v, %v", r, err)
			}
			_, err := client.GetGateway(bearing(patiently(t), tokenOf("ops")), &pb.GetGatewayRequest{})
			if c.refused != "" {
				expectFailure(t, err, failure{codes.Unauthenticated, c.refused, ""})
			} else {
				check(t, err)
			}
		})
	}
}

// TestTokenFileIsFollowed checks that a changed token file is read without a signal. A file that cannot be read is
// complained about once. When it can be read again, its tokens are in force.
func TestTokenFileIsFollowed(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	tokens := openTokens(t, hclog.New(&hclog.LoggerOptions{Output: &log}), tokenLine("ops", "operator"))
	conn, _ := serve(t, gatewaytest.Start(t).Server, control.Config{Auth: auth.Config{Required: true,
		Tokens: tokens.TokenFile}})
	client := pb.NewGatewayServiceClient(conn)
	stream, err := client.StreamEvents(bearing(patiently(t), tokenOf("ops")),
		&pb.StreamEventsRequest{Types: []pb.EventType{connected}})
	check(t, err)
	writeTokens(t, tokens.path, "broken\n")
	for !strings.Contains(log.String(), "line 1: 1 fields") { // the old tokens stay in force until the file is good again
		_, err := client.GetGateway(bearing(patiently(t), tokenOf("ops")), &pb.GetGatewayRequest{})
		check(t, err)
	}
	_, err = client.GetGateway(bearing(patiently(t), tokenOf("ops")), &pb.GetGatewayRequest{})
	check(t, err)
	writeTokens(t, tokens.path, tokenLine("new", "viewer"))
	expectEnd(t, stream, failure{codes.Unauthenticated, "TOKEN_REVOKED", ""})
	_, err = client.GetGateway(bearing(patiently(t), tokenOf("new")), &pb.GetGatewayRequest{})
	check(t, err)
	if n := strings.Count(log.String(), "was not reloaded"); n != 1 {
		t.Errorf("complained %d times: %s", n, log.String())
	}
}

// TestExpiry checks that a stream ends when its caller's proof expires, be it a token or a certificate. The clock is
// the test's own.
func TestExpiry(t *testing.T) {
	for _, reason := range []string{"TOKEN_EXPIRED", "CERTIFICATE_EXPIRED"} {
		synctest.Test(t, func(t *testing.T) {
			log := event.NewLog(event.Origin{Node: "test", Incarnation: "1"}, 256)
			soon := time.Now().Add(time.Minute).Truncate(time.Second)
			tokens := openTokens(t, nil, tokenLine("ops", "viewer", "expires:"+soon.UTC().Format(time.RFC3339)))
			defer tokens.Close()
			ca := newAuthority()
			config := control.Config{TLS: ca.server(), Auth: auth.Config{Tokens: tokens.TokenFile,
				Roles: map[string]pb.Role{"ops.test": pb.Role_ROLE_VIEWER}}}
			ctx := t.Context()
			var certificates []tls.Certificate
			if reason == "TOKEN_EXPIRED" {
				ctx = bearing(ctx, tokenOf("ops"))
			} else {
				certificates = append(certificates, ca.issue(authority.DNS("ops.test"), authority.Until(soon)))
			}
			p := newPipe("192.0.2.1")
			conn := p.clientAs(t, ca.client(certificates...))
			s := control.New(logOnly{log: log}, config)
			served := make(chan error, 1)
			go func() { served <- s.Serve(p) }()
			client := pb.NewGatewayServiceClient(conn)
			stream, err := client.StreamEvents(ctx, &pb.StreamEventsRequest{})
			check(t, err)
			expectEnd(t, stream, failure{codes.Unauthenticated, reason, ""})
			if now := time.Now(); now.Before(soon) || now.After(soon.Add(time.Second)) {
				t.Errorf("ended at %s; expected %s", now, soon)
			}
			_, err = client.GetGateway(ctx, &pb.GetGatewayRequest{})
			expectFailure(t, err, failure{codes.Unauthenticated, reason, ""})
			check(t, conn.Close())
			s.Stop(t.Context())
			check(t, <-served)
		})
	}
}

// TestHealthAndReflection checks that every caller may ask for health, even with a bad token, and that only viewers may
// list the services.
func TestHealthAndReflection(t *testing.T) {
	tokens := openTokens(t, nil, tokenLine("ops", "viewer"))
	conn, _ := serve(t, gatewaytest.Start(t).Server, control.Config{Auth: auth.Config{Required: true,
		Tokens: tokens.TokenFile}})
	health := healthpb.NewHealthClient(conn)
	for _, token := range []string{"", "none"} {
		ctx := patiently(t)
		if token != "" {
			ctx = bearing(ctx, token)
		}
		r, err := health.Check(ctx, &healthpb.HealthCheckRequest{})
		check(t, err)
		watch, err := health.Watch(ctx, &healthpb.HealthCheckRequest{})
		check(t, err)
		w, err := watch.Recv()
		check(t, err)
		if r.GetStatus() != healthpb.HealthCheckResponse_SERVING || w.GetStatus() != healthpb.HealthCheckResponse_SERVING {
			t.Errorf("%s, %s", r.GetStatus(), w.GetStatus())
		}
	}
	for _, version := range []string{"v1", "v1alpha"} {
		desc, method := &grpc.StreamDesc{ServerStreams: true,
			ClientStreams: true}, "/grpc.reflection."+version+".ServerReflection/ServerReflectionInfo"
		stranger, err := conn.NewStream(patiently(t), desc, method)
		check(t, err)
		expectFailure(t, stranger.RecvMsg(&healthpb.HealthCheckResponse{}),
			failure{codes.Unauthenticated, "CREDENTIALS_REQUIRED", ""})
		viewer, err := conn.NewStream(bearing(patiently(t), tokenOf("ops")), desc, method)
		check(t, err)
		check(t, viewer.CloseSend())
		if err := viewer.RecvMsg(&healthpb.HealthCheckResponse{}); err != io.EOF {
			t.Errorf("%s: %v", version, err)
		}
	}
}
