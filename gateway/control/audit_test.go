package control_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/sockgate/sockgate/gateway/auth"
	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/gatewaytest"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// lines returns the lines of a JSON log that contain a key.
func lines(t testing.TB, log, key string) []map[string]any {
	t.Helper()
	var found []map[string]any
	for scanner := bufio.NewScanner(strings.NewReader(log)); scanner.Scan(); {
		var line map[string]any
		check(t, json.Unmarshal(scanner.Bytes(), &line))
		if line[key] != nil {
			found = append(found, line)
		}
	}
	return found
}

// TestAudit checks that each mutation leaves an event and a log line with its caller: proof, role, address and request
// ID.
func TestAudit(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	ca := newAuthority()
	g := gatewaytest.Start(t, func(c *server.Config) { c.Logger = traceLogger(&log) })
	_, id := connect(t, g)
	follower := follow(t, g, &pb.StreamEventsRequest{Types: []pb.EventType{controlled}})
	conn, _ := serveAs(t, undrained{g.Server}, control.Config{TLS: ca.server(),
		Auth: auth.Config{Roles: map[string]pb.Role{"spiffe://test/boss": pb.Role_ROLE_ADMIN}}},
		ca.client(ca.named("spiffe://test/boss")))
	client := pb.NewGatewayServiceClient(conn)
	for i, c := range []struct {
		verb    string
		request proto.Message
	}{
		{"Send", &pb.SendRequest{Id: id, Data: data(1)}},
		{"Broadcast", &pb.BroadcastRequest{Data: data(1)}},
		{"SetLabels", &pb.SetLabelsRequest{ConnectionIds: []string{id}, Set: labels(1)}},
		{"Kick", &pb.KickRequest{ConnectionIds: []string{id}}},
	} {
		request := fmt.Sprintf("request %d", i)
		_, err := call(metadata.AppendToOutgoingContext(patiently(t), "x-request-id", request), client, c.request)
		check(t, err)
		d := follower.next().GetControl()
		if d.GetVerb() != c.verb || d.GetActor() != "spiffe://test/boss" || d.GetProof() != "certificate" ||
			d.GetRole() != "ADMIN" ||
			!strings.HasPrefix(d.GetSourceAddress(), "127.0.0.1:") || d.GetRequestId() != request {
			t.Errorf("%s: %v", c.verb, d)
		}
	}
	_, err := client.Broadcast(metadata.AppendToOutgoingContext(patiently(t), "x-request-id", "header"),
		&pb.BroadcastRequest{Data: data(1), RequestId: uuid})
	check(t, err)
	if d := follower.next().GetControl(); d.GetRequestId() != uuid {
		t.Errorf("request_id %q; expected the request's own", d.GetRequestId())
	}
	written := lines(t, log.String(), "verb")
	if len(written) != 5 {
		t.Fatalf("%d lines: %v", len(written), written)
	}
	for i, line := range written[:4] {
		if line["actor"] != "spiffe://test/boss" || line["proof"] != "certificate" || line["role"] != "ADMIN" ||
			line["request-id"] != fmt.Sprintf("request %d", i) ||
			!strings.HasPrefix(fmt.Sprint(line["address"]), "127.0.0.1:") {
			t.Error(line)
		}
	}
}

// TestRequestID checks which request IDs a caller may give.
func TestRequestID(t *testing.T) {
	g := gatewaytest.Start(t)
	for id, ok := range map[string]bool{"": true, "a": true, text(128): true, "~ !": true, text(129): false,
		"a\tb": false, "ä": false} {
		ctx := metadata.AppendToOutgoingContext(patiently(t), "x-request-id", id)
		for _, request := range []proto.Message{&pb.GetGatewayRequest{}, &pb.StreamEventsRequest{}} {
			_, err := call(ctx, g.Client, request)
			if ok {
				check(t, err)
				// gRPC's own client refuses text that is not ASCII
			} else if got := failureCode(err); got != codes.InvalidArgument && got != codes.Internal {
				t.Errorf("%q: %v", id, err)
			}
		}
	}
	_, err := g.Client.GetGateway(metadata.AppendToOutgoingContext(patiently(t), "x-request-id", "a", "x-request-id",
		"b"), &pb.GetGatewayRequest{})
	expectFailure(t, err, failure{codes.InvalidArgument, "OUT_OF_BOUNDS", "x-request-id"})
}

// TestSecretsAreNotLogged makes every call with everything logged. It checks that neither the log nor the events
// contain a payload or a token.
func TestSecretsAreNotLogged(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	const payload = "PAYLOAD-marker"
	tokens := openTokens(t, traceLogger(&log), tokenLine("admin", "admin"), tokenLine("viewer", "viewer"))
	g := gatewaytest.Start(t, func(c *server.Config) { c.Logger = traceLogger(&log) })
	_, id := connect(t, g)
	all := follow(t, g, &pb.StreamEventsRequest{After: "0"})
	conn, _ := serve(t, g.Server, control.Config{Logger: traceLogger(&log),
		Auth: auth.Config{Required: true, Tokens: tokens.TokenFile}})
	client := pb.NewGatewayServiceClient(conn)
	requests := []proto.Message{
		&pb.ListConnectionsRequest{}, &pb.CountConnectionsRequest{}, &pb.GetConnectionRequest{Id: id},
		&pb.GetGatewayRequest{}, &pb.GetLimitsRequest{},
		&pb.SetLabelsRequest{ConnectionIds: []string{id}, Set: labels(1)}, &pb.SendRequest{Id: id,
			Data: []byte(payload)}, &pb.BroadcastRequest{Data: []byte(payload)},
		&pb.SendRequest{Id: payload[:0], Data: []byte(payload)}, &pb.StreamEventsRequest{IncludeData: true},
		&pb.UpdateLimitsRequest{Limits: &pb.Limits{MaxConnections: 5},
			UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"max_connections"}}},
		&pb.AddBanRequest{Target: "192.0.2.1"}, &pb.ListBansRequest{}, &pb.RemoveBanRequest{Target: "192.0.2.1"},
		&pb.ListNodesRequest{}, &pb.ForgetNodeRequest{Node: "n"}, &pb.ListInstancesRequest{},
		&pb.DrainInstanceRequest{Handler: "h", Instance: "i"},
		&pb.KickRequest{ConnectionIds: []string{id},
			Farewell: []byte(payload)}, &pb.ShutdownRequest{Farewell: []byte(payload), GracePeriod: period(0)},
	}
	called := make(map[string]bool)
	secrets := []string{payload}
	for _, request := range requests {
		for _, name := range []string{"viewer", "unknown", "admin"} {
			_, _ = call(bearing(patiently(t), tokenOf(name)), client, request) // some are denied
			secrets = append(secrets, tokenOf(name)[4:])
		}
		called[strings.TrimSuffix(string(request.ProtoReflect().Descriptor().Name()), "Request")] = true
	}
	for _, m := range methods() {
		if !called[string(m.Name())] {
			t.Errorf("%s was not called", m.Name())
		}
	}
	text := log.String()
	for _, e := range all.rest() {
		text += e.String()
	}
	for _, secret := range secrets {
		if at := strings.Index(text, secret); at >= 0 {
			t.Errorf("%q is in %s", secret, text[max(0, at-200):at+len(secret)])
		}
	}
	if n := len(lines(t, log.String(), "grpc.code")); n < 3*len(requests) {
		t.Errorf("%d calls are logged of %d", n, 3*len(requests))
	}
}

// TestDenialsAreCounted checks that denied calls are counted by reason. A flood of them writes one line a second, and
// the lines add up to the count. The clock is the test's own.
func TestDenialsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lockedBuffer
		tokens := openTokens(t, nil, tokenLine("ops", "viewer"))
		defer tokens.Close()
		p := newPipe("127.0.0.1")
		conn := p.client(t)
		s := control.New(fixed{}, control.Config{Logger: traceLogger(&log),
			Auth: auth.Config{Required: true, Tokens: tokens.TokenFile}})
		served := make(chan error, 1)
		go func() { served <- s.Serve(p) }()
		client := pb.NewGatewayServiceClient(conn)
		ops := bearing(t.Context(), tokenOf("ops"))
		const seconds, each = 3, 100
		for range seconds {
			for range each {
				_, err := client.Send(ops, &pb.SendRequest{Id: oneID, Data: data(1)})
				expectFailure(t, err, failure{codes.PermissionDenied, "ROLE_REQUIRED", ""})
				_, err = client.GetLimits(t.Context(), &pb.GetLimitsRequest{})
				expectFailure(t, err, failure{codes.Unauthenticated, "CREDENTIALS_REQUIRED", ""})
			}
			time.Sleep(time.Second)
		}
		info, err := client.GetGateway(ops, &pb.GetGatewayRequest{})
		check(t, err)
		for _, reason := range []string{"ROLE_REQUIRED", "CREDENTIALS_REQUIRED"} {
			if n := info.GetTotals().GetDeniedCalls()[reason]; n != seconds*each {
				t.Errorf("%s: %d are counted; expected %d", reason, n, seconds*each)
			}
		}
		check(t, conn.Close())
		s.Stop(t.Context())
		check(t, <-served)
		count, written := make(map[any]float64), make(map[any]int)
		for _, line := range lines(t, log.String(), "reason") {
			count[line["reason"]] += line["calls"].(float64)
			written[line["reason"]]++
			if line["reason"] == "ROLE_REQUIRED" && (line["identity"] != "ops" || line["proof"] != "token" ||
				line["method"] != pb.GatewayService_Send_FullMethodName) {
				t.Error(line)
			}
		}
		for _, reason := range []string{"ROLE_REQUIRED", "CREDENTIALS_REQUIRED"} {
			if count[reason] != seconds*each || written[reason] > seconds+2 {
				t.Errorf("%s: %v calls in %d lines; expected %d in about %d", reason, count[reason], written[reason],
					seconds*each, seconds)
			}
		}
	})
}
