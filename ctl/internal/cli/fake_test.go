package cli

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/ctltest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// fakeGateway answers with its functions; a method without one is UNIMPLEMENTED.
type fakeGateway struct {
	pb.UnimplementedGatewayServiceServer

	list      func(*pb.ListConnectionsRequest) (*pb.ListConnectionsResponse, error)
	count     func(*pb.CountConnectionsRequest) (*pb.CountConnectionsResponse, error)
	get       func(*pb.GetConnectionRequest) (*pb.GetConnectionResponse, error)
	send      func(*pb.SendRequest) (*pb.SendResponse, error)
	broadcast func(*pb.BroadcastRequest) (*pb.BroadcastResponse, error)
	kick      func(*pb.KickRequest) (*pb.KickResponse, error)
	labels    func(*pb.SetLabelsRequest) (*pb.SetLabelsResponse, error)
	shutdown  func(*pb.ShutdownRequest) (*pb.ShutdownResponse, error)
	stream    func(*pb.StreamEventsRequest, eventStream) error
	gateway   func() (*pb.GetGatewayResponse, error)
	// in place of gateway, where the request matters
	info      func(*pb.GetGatewayRequest) (*pb.GetGatewayResponse, error)
	limits    func(*pb.GetLimitsRequest) (*pb.GetLimitsResponse, error)
	update    func(*pb.UpdateLimitsRequest) (*pb.UpdateLimitsResponse, error)
	addBan    func(*pb.AddBanRequest) (*pb.AddBanResponse, error)
	listBans  func(*pb.ListBansRequest) (*pb.ListBansResponse, error)
	removeBan func(*pb.RemoveBanRequest) (*pb.RemoveBanResponse, error)
	nodes     func(*pb.ListNodesRequest) (*pb.ListNodesResponse, error)
	forget    func(*pb.ForgetNodeRequest) (*pb.ForgetNodeResponse, error)
}

type eventStream = grpc.ServerStreamingServer[pb.StreamEventsResponse]

// answer calls f, or is UNIMPLEMENTED without one.
func answer[Q, R any](f func(Q) (R, error), req Q) (R, error) {
	if f == nil {
		var none R
		return none, status.Error(codes.Unimplemented, "the fake has no such answer")
	}
	return f(req)
}

func (g *fakeGateway) ListConnections(_ context.Context,
	req *pb.ListConnectionsRequest) (*pb.ListConnectionsResponse, error) {
	return answer(g.list, req)
}

func (g *fakeGateway) CountConnections(_ context.Context,
	req *pb.CountConnectionsRequest) (*pb.CountConnectionsResponse, error) {
	return answer(g.count, req)
}

func (g *fakeGateway) GetConnection(_ context.Context,
	req *pb.GetConnectionRequest) (*pb.GetConnectionResponse, error) {
	return answer(g.get, req)
}

func (g *fakeGateway) Send(_ context.Context, req *pb.SendRequest) (*pb.SendResponse, error) {
	return answer(g.send, req)
}

func (g *fakeGateway) Broadcast(_ context.Context,
	req *pb.BroadcastRequest) (*pb.BroadcastResponse, error) {
	return answer(g.broadcast, req)
}

func (g *fakeGateway) Kick(_ context.Context, req *pb.KickRequest) (*pb.KickResponse, error) {
	return answer(g.kick, req)
}

func (g *fakeGateway) SetLabels(_ context.Context,
	req *pb.SetLabelsRequest) (*pb.SetLabelsResponse, error) {
	return answer(g.labels, req)
}

func (g *fakeGateway) Shutdown(_ context.Context,
	req *pb.ShutdownRequest) (*pb.ShutdownResponse, error) {
	return answer(g.shutdown, req)
}

func (g *fakeGateway) StreamEvents(req *pb.StreamEventsRequest, s eventStream) error {
	if g.stream == nil {
		return status.Error(codes.Unimplemented, "the fake has no events")
	}
	return g.stream(req, s)
}

func (g *fakeGateway) GetGateway(_ context.Context,
	req *pb.GetGatewayRequest) (*pb.GetGatewayResponse, error) {
	if g.info != nil {
		return g.info(req)
	}
	if g.gateway == nil {
		return &pb.GetGatewayResponse{Cursor: "c.0@0"}, nil // streams begin behind it
	}
	return g.gateway()
}

func (g *fakeGateway) GetLimits(_ context.Context,
	req *pb.GetLimitsRequest) (*pb.GetLimitsResponse, error) {
	return answer(g.limits, req)
}

func (g *fakeGateway) UpdateLimits(_ context.Context,
	req *pb.UpdateLimitsRequest) (*pb.UpdateLimitsResponse, error) {
	return answer(g.update, req)
}

func (g *fakeGateway) AddBan(_ context.Context, req *pb.AddBanRequest) (*pb.AddBanResponse, error) {
	return answer(g.addBan, req)
}

func (g *fakeGateway) ListBans(_ context.Context,
	req *pb.ListBansRequest) (*pb.ListBansResponse, error) {
	return answer(g.listBans, req)
}

func (g *fakeGateway) RemoveBan(_ context.Context,
	req *pb.RemoveBanRequest) (*pb.RemoveBanResponse, error) {
	return answer(g.removeBan, req)
}

func (g *fakeGateway) ListNodes(_ context.Context,
	req *pb.ListNodesRequest) (*pb.ListNodesResponse, error) {
	return answer(g.nodes, req)
}

func (g *fakeGateway) ForgetNode(_ context.Context,
	req *pb.ForgetNodeRequest) (*pb.ForgetNodeResponse, error) {
	return answer(g.forget, req)
}

// serve starts the fake on a port of its own and returns its address.
func (g *fakeGateway) serve(t testing.TB, options ...grpc.ServerOption) string {
	t.Helper()
	listener := ctltest.Listen(t)
	server := grpc.NewServer(options...)
	pb.RegisterGatewayServiceServer(server, g)
	var wg sync.WaitGroup
	wg.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() { server.Stop(); wg.Wait() })
	return listener.Addr().String()
}

// failure is a status as the gateway makes it.
func failure(code codes.Code, message, reason string, metadata map[string]string, details ...proto.Message) error {
	st := status.New(code, message)
	all := []protoadapt.MessageV1{protoadapt.MessageV1Of(&errdetails.ErrorInfo{Reason: reason, Domain: "sockgate",
		Metadata: metadata})}
	for _, d := range details {
		all = append(all, protoadapt.MessageV1Of(d))
	}
	st, err := st.WithDetails(all...)
	if err != nil {
		panic(err)
	}
	return st.Err()
}

// invocation is one run of ctl against a gateway.
type invocation struct {
	ctx       context.Context
	gateway   string
	stdin     io.Reader
	terminal  bool // stdin and stdout
	variables map[string]string
	now       func() time.Time // nil: testNow
	configDir string           // of the user; empty: there is none
	stdout    *ctltest.Output
	stderr    *ctltest.Output
}

func against(t testing.TB, g *fakeGateway) *invocation {
	return &invocation{ctx: t.Context(), gateway: g.serve(t), stdout: ctltest.NewOutput(), stderr: ctltest.NewOutput()}
}

// testNow is the time of all tests.
func testNow() time.Time { return time.Date(2026, 3, 4, 10, 31, 2, 123e6, time.UTC) }

// run returns the exit code; the outputs are in stdout and stderr.
func (i *invocation) run(args ...string) int {
	if i.stdin == nil {
		i.stdin = strings.NewReader("")
	}
	now := testNow
	if i.now != nil {
		now = i.now
	}
	return Run(i.ctx, args, app.Env{
		Stdin: i.stdin, Stdout: i.stdout, Stderr: i.stderr,
		StdinIsTerminal: i.terminal, StdoutIsTerminal: i.terminal,
		Getenv: func(key string) string {
			if key == "SOCKGATE_GATEWAY" {
				return i.gateway
			}
			return i.variables[key]
		},
		ConfigDir: func() (string, error) {
			if i.configDir == "" {
				return "", errors.New("no home")
			}
			return i.configDir, nil
		},
		Now:   now,
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	})
}

// expect runs and compares everything.
func (i *invocation) expect(t testing.TB, code int, stdout, stderr string, args ...string) {
	t.Helper()
	got := i.run(args...)
	if got != code {
		t.Errorf("ctl %q: exit code %d, want %d", args, got, code)
	}
	if out := i.stdout.String(); out != stdout {
		t.Errorf("ctl %q: stdout:\n%s\nwant:\n%s", args, out, stdout)
	}
	if out := strings.ReplaceAll(i.stderr.String(), i.gateway, "GATEWAY"); out != stderr {
		t.Errorf("ctl %q: stderr:\n%s\nwant:\n%s", args, out, stderr)
	}
}

// ago is a time before testNow.
func ago(d time.Duration) *timestamppb.Timestamp { return timestamppb.New(testNow().Add(-d)) }

func testConnection(id string) *pb.Connection {
	return &pb.Connection{
		Id: id, Node: "edge-1", Listener: "game", RemoteAddress: "127.0.0.1:50612", LocalAddress: "127.0.0.1:8017",
		ConnectedAt: ago(192 * time.Second), LastActiveAt: ago(1500 * time.Millisecond),
		BytesReceived: 1536, BytesSent: 20, QueuedBytes: 3 << 20,
		State:  pb.ConnectionState_CONNECTION_STATE_OPEN,
		Labels: map[string]string{"room": "7", "a": "\x1b[31m"},
	}
}

func closedConnection(id string) *pb.Connection {
	c := testConnection(id)
	c.State = pb.ConnectionState_CONNECTION_STATE_CLOSED
	c.ClosedAt = ago(12 * time.Second)
	c.CloseReason = pb.CloseReason_CLOSE_REASON_KICKED
	c.CloseText, c.ClosedBy, c.Labels = "spam", "127.0.0.1:1", nil
	return c
}

// unmarshalJSON reads a message as another program would.
func unmarshalJSON(text []byte, m proto.Message) error { return protojson.Unmarshal(text, m) }
