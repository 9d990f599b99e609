package control_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/sockgate/sockgate/gateway/auth"
	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/gatewaytest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestStreamsPerIdentity checks that one identity's streams leave room for others', however many connections it has. A
// stream that ends makes room.
func TestStreamsPerIdentity(t *testing.T) {
	tokens := openTokens(t, nil, tokenLine("ops", "viewer"), tokenLine("other", "viewer"))
	first, _ := serve(t, gatewaytest.Start(t).Server,
		control.Config{StreamsPerIdentity: 2, Auth: auth.Config{Tokens: tokens.TokenFile}})
	second := connectAs(t, first, insecure.NewCredentials())
	for _, identity := range []string{"ops", "other", ""} { // the last is loopback's
		ctx := patiently(t)
		if identity != "" {
			ctx = bearing(ctx, tokenOf(identity))
		}
		open := func(conn *grpc.ClientConn) (context.CancelFunc, error) {
			ctx, cancel := context.WithCancel(ctx)
			stream, err := pb.NewGatewayServiceClient(conn).StreamEvents(ctx, &pb.StreamEventsRequest{})
			check(t, err)
			_, err = stream.Recv()
			return cancel, err
		}
		leave, err := open(first)
		check(t, err)
		_, err = open(second)
		check(t, err)
		_, err = open(second)
		expectFailure(t, err, failure{codes.ResourceExhausted, "TOO_MANY_STREAMS", ""})
		if !hasRetryInfo(err) {
			t.Errorf("%q: no RetryInfo", identity)
		}
		leave()
		for { // until the server has noticed
			if _, err = open(second); err == nil {
				break
			}
		}
	}
}

func hasRetryInfo(err error) bool {
	for _, d := range status.Convert(err).Details() {
		if retry, ok := d.(*errdetails.RetryInfo); ok && retry.GetRetryDelay().AsDuration() > 0 {
			return true
		}
	}
	return false
}

// TestCallsPerIdentity checks that one identity's calls leave room for others'.
func TestCallsPerIdentity(t *testing.T) {
	tokens := openTokens(t, nil, tokenLine("ops", "viewer"), tokenLine("other", "viewer"))
	entered, leave := make(chan struct{}, 3), make(chan struct{})
	g := stub{gatewaytest.Start(t).Server, func(context.Context) error {
		entered <- struct{}{}
		<-leave
		return nil
	}}
	conn, _ := serve(t, g, control.Config{CallsPerIdentity: 2, Auth: auth.Config{Tokens: tokens.TokenFile}})
	client := pb.NewGatewayServiceClient(conn)
	done := make(chan error, 3)
	count := func(of string) {
		_, err := client.CountConnections(bearing(patiently(t), tokenOf(of)), &pb.CountConnectionsRequest{})
		done <- err
	}
	for _, of := range []string{"ops", "ops", "other"} {
		go count(of)
	}
	for range 3 {
		<-entered
	}
	_, err := client.GetGateway(bearing(patiently(t), tokenOf("ops")), &pb.GetGatewayRequest{})
	expectFailure(t, err, failure{codes.ResourceExhausted, "TOO_MANY_CALLS", ""})
	if !hasRetryInfo(err) {
		t.Error("no RetryInfo")
	}
	close(leave)
	for range 3 {
		check(t, <-done)
	}
	_, err = client.GetGateway(bearing(patiently(t), tokenOf("ops")), &pb.GetGatewayRequest{})
	check(t, err)
}

// TestOldConnection checks that a connection that is too old ends its streams with UNAVAILABLE. The client then resumes
// the stream after its cursor on a new connection.
func TestOldConnection(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	conn, _ := serve(t, g.Server, control.Config{MaxConnectionAge: time.Millisecond,
		MaxConnectionAgeGrace: time.Millisecond})
	client := pb.NewGatewayServiceClient(conn)
	cursor, next := "0", uint64(1)
	for range 3 {
		dial(t, g)
		stream, err := client.StreamEvents(patiently(t), &pb.StreamEventsRequest{After: cursor}, grpc.WaitForReady(true))
		check(t, err)
		for {
			r, err := stream.Recv()
			if err != nil {
				if failureCode(err) != codes.Unavailable {
					t.Fatal(err)
				}
				break
			}
			cursor = r.GetCursor()
			for _, e := range r.GetEvents() {
				if e.GetSequence() != next {
					t.Errorf("%d; expected %d", e.GetSequence(), next)
				}
				next++
			}
		}
	}
}

// TestLargeHeader checks the bound of a call's headers.
func TestLargeHeader(t *testing.T) {
	g := gatewaytest.Start(t)
	for size, ok := range map[int]bool{8 << 10: true, 64 << 10: false} {
		_, err := g.Client.GetGateway(metadata.AppendToOutgoingContext(patiently(t), "x", text(size)),
			&pb.GetGatewayRequest{})
		if (err == nil) != ok {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// TestStrangersMakeRoom checks that anonymous clients keep no client with an identity out. The oldest anonymous client
// is closed for a new one, and clients with an identity stay.
func TestStrangersMakeRoom(t *testing.T) {
	tokens := openTokens(t, nil, tokenLine("ops", "viewer"))
	g := gatewaytest.Start(t)
	first, _ := serve(t, g.Server, control.Config{MaxConnections: 3,
		Auth: auth.Config{Required: true, Tokens: tokens.TokenFile}})
	ops := pb.NewGatewayServiceClient(first)
	stream, err := ops.StreamEvents(bearing(patiently(t), tokenOf("ops")), &pb.StreamEventsRequest{})
	check(t, err)
	_, err = stream.Recv()
	check(t, err)
	var strangers []net.Conn
	for range 5 {
		c, err := net.Dial("tcp", first.Target())
		check(t, err)
		t.Cleanup(func() { _ = c.Close() })
		check(t, c.SetDeadline(time.Now().Add(patience)))
		strangers = append(strangers, c)
		_, err = c.Read(make([]byte, 1)) // the server's settings
		check(t, err)
	}
	for _, c := range strangers[:3] { // there is room for two
		if _, err := io.Copy(io.Discard, c); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("an old stranger was not closed: %v", err)
		}
	}
	late := pb.NewGatewayServiceClient(connectAs(t, first, insecure.NewCredentials()))
	_, err = late.GetGateway(bearing(patiently(t), tokenOf("ops")), &pb.GetGatewayRequest{})
	check(t, err)
	c, err := net.Dial("tcp", g.Addr)
	check(t, err)
	defer c.Close()
	if r, err := stream.Recv(); err != nil { // CONNECTED
		t.Errorf("%v, %v", r, err)
	}
}

// TestOneIdentityMakesRoom checks that one identity, however many connections it has and although a call is under way
// on each, keeps no other out, and that its oldest connections give way.
func TestOneIdentityMakesRoom(t *testing.T) {
	t.Parallel()
	tokens := openTokens(t, nil, tokenLine("ops", "admin"), tokenLine("hog", "viewer"))
	first, _ := serve(t, gatewaytest.Start(t).Server,
		control.Config{MaxConnections: 8, Auth: auth.Config{Required: true, Tokens: tokens.TokenFile}})
	follow := func(name string) pb.GatewayService_StreamEventsClient {
		client := pb.NewGatewayServiceClient(connectAs(t, first, insecure.NewCredentials()))
		stream, err := client.StreamEvents(bearing(patiently(t), tokenOf(name)), &pb.StreamEventsRequest{})
		check(t, err)
		_, err = stream.Recv()
		check(t, err)
		return stream
	}
	var hogs []pb.GatewayService_StreamEventsClient
	for range 12 {
		hogs = append(hogs, follow("hog"))
	}
	ops := follow("ops")
	for _, stream := range append(hogs[5:], ops) {
		if r, err := stream.Recv(); err != nil { // a heartbeat
			t.Errorf("%v, %v", r, err)
		}
	}
	for i, stream := range hogs[:5] {
		if _, err := stream.Recv(); failureCode(err) != codes.Unavailable {
			t.Errorf("the oldest but %d: %v", i, err)
		}
	}
}

// TestStrangerCalls checks that an anonymous client gets little memory for its calls. A connection with too many such
// calls is closed, while one with an identity is answered.
func TestStrangerCalls(t *testing.T) {
	tokens := openTokens(t, nil, tokenLine("ops", "viewer"))
	conn, _ := serve(t, gatewaytest.Start(t).Server, control.Config{Auth: auth.Config{Required: true,
		Tokens: tokens.TokenFile}})
	stranger := healthpb.NewHealthClient(connectAs(t, conn, insecure.NewCredentials()))
	var watches []healthpb.Health_WatchClient
	watch := func() healthpb.Health_WatchClient {
		w, err := stranger.Watch(patiently(t), &healthpb.HealthCheckRequest{})
		check(t, err)
		return w
	}
	for range 16 {
		w := watch()
		_, err := w.Recv()
		check(t, err)
		watches = append(watches, w)
	}
	_, err := pb.NewGatewayServiceClient(conn).GetGateway(bearing(patiently(t), tokenOf("ops")), &pb.GetGatewayRequest{})
	check(t, err)
	over := watch()
	if _, err := over.Recv(); failureCode(err) != codes.Unavailable {
		t.Errorf("the 17th: %v", err)
	}
	for _, w := range watches {
		if _, err := w.Recv(); failureCode(err) != codes.Unavailable {
			t.Errorf("another of its calls: %v", err)
		}
	}
	for answered := 0; answered < 100; { // the first ones come before the server has noticed that the others ended
		if _, err := stranger.Check(patiently(t), &healthpb.HealthCheckRequest{}, grpc.WaitForReady(true)); err == nil {
			answered++
		}
	}
}

// TestStrangersDoNotHoldHealth checks that anonymous callers that keep their calls open, from any number of addresses,
// keep no health check out. The oldest call is ended for a new one.
func TestStrangersDoNotHoldHealth(t *testing.T) {
	conn, _ := serve(t, gatewaytest.Start(t).Server, control.Config{Auth: auth.Config{Required: true,
		Tokens: openTokens(t, nil, tokenLine("ops", "viewer")).TokenFile}})
	from := func(ip string) healthpb.HealthClient {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
		c, err := grpc.NewClient(conn.Target(), grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
				return dialer.DialContext(ctx, "tcp", address)
			}))
		check(t, err)
		t.Cleanup(func() { _ = c.Close() })
		return healthpb.NewHealthClient(c)
	}
	var oldest healthpb.Health_WatchClient
	for i := range 64 {
		w, err := from(fmt.Sprintf("127.0.0.%d", 2+i%4)).Watch(patiently(t), &healthpb.HealthCheckRequest{})
		check(t, err)
		_, err = w.Recv()
		check(t, err)
		if i == 0 {
			oldest = w
		}
	}
	_, err := from("127.0.0.9").Check(patiently(t), &healthpb.HealthCheckRequest{})
	check(t, err)
	if _, err := oldest.Recv(); failureCode(err) != codes.Unavailable {
		t.Errorf("the oldest: %v", err)
	}
}
