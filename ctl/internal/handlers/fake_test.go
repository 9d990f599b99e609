package handlers

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/ctltest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestMain fails when a test leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeGateway answers the n-th list, from 0, with list, and a drain with drain.
type fakeGateway struct {
	pb.UnimplementedGatewayServiceServer

	list  func(n int, req *pb.ListInstancesRequest) (*pb.ListInstancesResponse, error)
	drain func(*pb.DrainInstanceRequest) (*pb.DrainInstanceResponse, error)

	mu    sync.Mutex
	lists int
}

func (g *fakeGateway) ListInstances(_ context.Context, req *pb.ListInstancesRequest) (*pb.ListInstancesResponse, error) {
	g.mu.Lock()
	n := g.lists
	g.lists++
	g.mu.Unlock()
	if g.list == nil {
		return nil, status.Error(codes.Unimplemented, "the fake has no such answer")
	}
	return g.list(n, req)
}

func (g *fakeGateway) DrainInstance(_ context.Context, req *pb.DrainInstanceRequest) (*pb.DrainInstanceResponse, error) {
	if g.drain == nil {
		return nil, status.Error(codes.Unimplemented, "the fake has no such answer")
	}
	return g.drain(req)
}

// listing answers every list with resp.
func listing(resp *pb.ListInstancesResponse) *fakeGateway {
	return &fakeGateway{list: func(int, *pb.ListInstancesRequest) (*pb.ListInstancesResponse, error) { return resp, nil }}
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

// testNow is the time at which a run begins. Each wait of it moves the time on.
func testNow() time.Time { return time.Date(2026, 3, 4, 10, 31, 2, 123e6, time.UTC) }

// invocation is one run of ctl handlers against a gateway.
type invocation struct {
	ctx      context.Context
	gateway  string
	stdin    io.Reader
	terminal bool // stdin
	waits    []time.Duration
	waited   func(n int) // called with the number of waits so far
	stdout   *ctltest.Output
	stderr   *ctltest.Output
}

func against(t testing.TB, g *fakeGateway) *invocation {
	return &invocation{ctx: t.Context(), gateway: g.serve(t), stdin: strings.NewReader(""), stdout: ctltest.NewOutput(),
		stderr: ctltest.NewOutput()}
}

// run returns the exit code; the outputs are in stdout and stderr.
func (i *invocation) run(args ...string) int {
	now := testNow()
	return app.Run(i.ctx, args, app.Env{
		Stdin: i.stdin, Stdout: i.stdout, Stderr: i.stderr, StdinIsTerminal: i.terminal,
		Getenv: func(key string) string {
			if key == "SOCKGATE_GATEWAY" {
				return i.gateway
			}
			return ""
		},
		ConfigDir: func() (string, error) { return "", errors.New("no home") },
		Now:       func() time.Time { return now },
		Sleep: func(ctx context.Context, d time.Duration) error {
			now = now.Add(d)
			i.waits = append(i.waits, d)
			if i.waited != nil {
				i.waited(len(i.waits))
			}
			return ctx.Err()
		},
	}, func(a *app.App) *cobra.Command {
		root := &cobra.Command{Use: "ctl"}
		root.AddCommand(Command(a))
		return root
	})
}

// expect runs and compares everything.
func (i *invocation) expect(t testing.TB, code int, stdout, stderr, words string) {
	t.Helper()
	if got := i.run(strings.Fields(words)...); got != code {
		t.Errorf("ctl %s: exit code %d, want %d", words, got, code)
	}
	if out := i.stdout.String(); out != stdout {
		t.Errorf("ctl %s: stdout:\n%s\nwant:\n%s", words, out, stdout)
	}
	if out := strings.ReplaceAll(i.stderr.String(), i.gateway, "GATEWAY"); out != stderr {
		t.Errorf("ctl %s: stderr:\n%s\nwant:\n%s", words, out, stderr)
	}
}

// instance is an instance with a value in every field.
func instance(handler, name, node string) *pb.Instance {
	return &pb.Instance{Handler: handler, Instance: name, Node: node, Lanes: 2, Connections: 500,
		UnacknowledgedBytes: 65536, UnacknowledgedAge: durationpb.New(1500 * time.Millisecond), Deliveries: 1000,
		Commands: 900, BytesDelivered: 64000, BytesCommanded: 57600, AttachedAt: timestamppb.New(testNow().Add(-time.Hour)),
		Actor: "backend", Silent: durationpb.New(200 * time.Millisecond)}
}

// idle is an instance that has nothing to do.
func idle(handler, name, node string) *pb.Instance {
	return &pb.Instance{Handler: handler, Instance: name, Node: node, Lanes: 1, Draining: true,
		AttachedAt: timestamppb.New(testNow()), Actor: "backend", Silent: durationpb.New(0)}
}

// twoHandlers has a handler with two instances, and one without any and with held connections.
func twoHandlers() *pb.ListInstancesResponse {
	return &pb.ListInstancesResponse{
		Instances: []*pb.Instance{instance("jt808", "pod-7", "edge-1"), idle("jt808", "pod-8", "edge-1")},
		Handlers: []*pb.HandlerStatus{
			{Handler: "chat", Node: "edge-1", Held: 12, Failed: 3},
			{Handler: "jt808", Node: "edge-1", Lanes: 3, Connections: 500, UnacknowledgedBytes: 65536, IgnoredCommands: 4},
		},
	}
}

// fleetOf makes the result of edge-1, which answered, and of edge-2, which cannot be reached.
func fleetOf(counts map[string]uint64) *pb.FleetResult {
	return &pb.FleetResult{Expected: 2, Answered: 1, Nodes: []*pb.NodeResult{
		{Node: "edge-1", Status: pb.NodeStatus_NODE_STATUS_OK, Elapsed: durationpb.New(time.Millisecond), Counts: counts},
		{Node: "edge-2", Status: pb.NodeStatus_NODE_STATUS_UNREACHABLE, Elapsed: durationpb.New(0),
			Message: "nothing heard of it for 12 s"}}}
}

const silentText = "ctl: edge-2 did not answer: UNREACHABLE (nothing heard of it for 12 s)\n"
