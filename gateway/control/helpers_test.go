package control_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/gatewaytest"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// patience is how long anything may take before a test gives up. No passing test waits that long.
const patience = 30 * time.Second

// patiently returns a context that ends when the test has run out of patience.
func patiently(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func renamed(node string) gatewaytest.Option { return func(c *server.Config) { c.Node = node } }

// dial connects to a gateway that echoes, and returns when the connection is listed.
func dial(t testing.TB, g *gatewaytest.Gateway) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", g.Addr)
	check(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	check(t, conn.SetDeadline(time.Now().Add(patience)))
	echo(t, conn, "hi")
	return conn
}

// netDial connects and does nothing else.
func netDial(t testing.TB, g *gatewaytest.Gateway) (net.Conn, error) {
	conn, err := net.Dial("tcp", g.Addr)
	if err == nil {
		t.Cleanup(func() { _ = conn.Close() })
	}
	return conn, err
}

// echo sends a text and reads it back.
func echo(t testing.TB, conn net.Conn, text string) {
	t.Helper()
	_, err := conn.Write([]byte(text))
	check(t, err)
	expectRead(t, conn, text)
}

func expectRead(t testing.TB, conn net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(conn, got); err != nil || string(got) != want {
		t.Fatalf("read %q, %v; expected %q", got[:n], err, want)
	}
}

func idOf(t testing.TB, g *gatewaytest.Gateway, conn net.Conn) string {
	t.Helper()
	r, err := g.Client.ListConnections(patiently(t), &pb.ListConnectionsRequest{Filter: "remote_address == " +
		strconv.Quote(conn.LocalAddr().String())})
	check(t, err)
	if len(r.GetConnections()) != 1 {
		t.Fatalf("%d connections from %s", len(r.GetConnections()), conn.LocalAddr())
	}
	return r.GetConnections()[0].GetId()
}

// connect dials and returns the ID of the connection too.
func connect(t testing.TB, g *gatewaytest.Gateway) (net.Conn, string) {
	t.Helper()
	conn := dial(t, g)
	return conn, idOf(t, g, conn)
}

// serve runs a control plane of its own for any gateway.
func serve(t testing.TB, g control.Gateway, c control.Config) (*grpc.ClientConn, *control.Server) {
	t.Helper()
	return serveAs(t, g, c, insecure.NewCredentials())
}

// serveAs does the same as serve, with a client that has credentials.
func serveAs(t testing.TB, g control.Gateway, c control.Config,
	client credentials.TransportCredentials) (*grpc.ClientConn, *control.Server) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(client))
	check(t, err)
	return conn, serveOn(t, listener, conn, g, c)
}

// serveOn runs a control plane on a listener. It and its client end with the test.
func serveOn(t testing.TB, listener net.Listener, conn *grpc.ClientConn, g control.Gateway,
	c control.Config) *control.Server {
	t.Helper()
	s := control.New(g, c)
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.Serve(listener) })
	t.Cleanup(func() {
		_ = conn.Close()
		s.Stop(patiently(t))
		serving.Wait()
	})
	return s
}

// traceLogger returns a logger that writes everything.
func traceLogger(to io.Writer) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Output: to, Level: hclog.Trace, JSONFormat: true})
}

// ownIdentity is the identity of this process on a unix socket.
func ownIdentity() string { return "uid:" + strconv.Itoa(os.Getuid()) }

// call makes the call that belongs to a request. Of a stream it takes the first response.
func call(ctx context.Context, c pb.GatewayServiceClient, request proto.Message) (proto.Message, error) {
	switch r := request.(type) {
	case *pb.ListConnectionsRequest:
		return c.ListConnections(ctx, r)
	case *pb.CountConnectionsRequest:
		return c.CountConnections(ctx, r)
	case *pb.GetConnectionRequest:
		return c.GetConnection(ctx, r)
	case *pb.SendRequest:
		return c.Send(ctx, r)
	case *pb.BroadcastRequest:
		return c.Broadcast(ctx, r)
	case *pb.KickRequest:
		return c.Kick(ctx, r)
	case *pb.SetLabelsRequest:
		return c.SetLabels(ctx, r)
	case *pb.ShutdownRequest:
		return c.Shutdown(ctx, r)
	case *pb.GetGatewayRequest:
		return c.GetGateway(ctx, r)
	case *pb.GetLimitsRequest:
		return c.GetLimits(ctx, r)
	case *pb.UpdateLimitsRequest:
		return c.UpdateLimits(ctx, r)
	case *pb.AddBanRequest:
		return c.AddBan(ctx, r)
	case *pb.ListBansRequest:
		return c.ListBans(ctx, r)
	case *pb.RemoveBanRequest:
		return c.RemoveBan(ctx, r)
	case *pb.ListNodesRequest:
		return c.ListNodes(ctx, r)
	case *pb.ForgetNodeRequest:
		return c.ForgetNode(ctx, r)
	case *pb.ListInstancesRequest:
		return c.ListInstances(ctx, r)
	case *pb.DrainInstanceRequest:
		return c.DrainInstance(ctx, r)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.StreamEvents(ctx, request.(*pb.StreamEventsRequest))
	if err != nil {
		return nil, err
	}
	return stream.Recv()
}

// failure is the part of an error that a caller can act on.
type failure struct {
	code          codes.Code
	reason, field string
}

// failureOf takes an error apart and checks what must be true of every error of the service.
func failureOf(t testing.TB, err error) (failure, map[string]string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	s := status.Convert(err)
	f := failure{code: s.Code()}
	var metadata map[string]string
	infos := 0
	for _, detail := range s.Details() {
		switch d := detail.(type) {
		case *errdetails.ErrorInfo:
			infos++
			f.reason, metadata = d.GetReason(), d.GetMetadata()
			if d.GetDomain() != "sockgate" {
				t.Errorf("domain %q", d.GetDomain())
			}
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				f.field += v.GetField()
				if v.GetDescription() == "" {
					t.Errorf("field %s has no description", v.GetField())
				}
			}
		}
	}
	if infos != 1 {
		t.Errorf("%d ErrorInfo in %v", infos, err)
	}
	if len(s.Message()) < 10 || strings.Contains(s.Message(), "\n") || len(s.Message()) > 2000 {
		t.Errorf("message %q is no sentence", s.Message())
	}
	return f, metadata
}

// failureCode returns the code alone, for errors that gRPC itself makes.
func failureCode(err error) codes.Code { return status.Code(err) }

// expectFailure checks that err is this failure.
func expectFailure(t testing.TB, err error, want failure) {
	t.Helper()
	if got, _ := failureOf(t, err); got != want {
		t.Errorf("failure %v; expected %v: %v", got, want, err)
	}
}

// lockedBuffer is a log that many goroutines may write.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
