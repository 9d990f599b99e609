package bench

import (
	"context"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/ctltest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// fakeLanes welcomes every lane, or refuses them with err. Its connections are those of another server.
type fakeLanes struct {
	pb.UnimplementedHandlerServiceServer

	err    error
	enough func() // called when 2 lanes have drained and 6 attached

	mu      sync.Mutex
	hellos  []*pb.Hello
	drained int
}

func (g *fakeLanes) Attach(stream pb.HandlerService_AttachServer) error {
	first, err := stream.Recv()
	if err != nil || g.err != nil {
		return g.err
	}
	g.mu.Lock()
	g.hellos = append(g.hellos, first.GetHello())
	g.judge()
	g.mu.Unlock()
	if err := stream.Send(&pb.AttachResponse{Welcome: &pb.Welcome{Node: "n", Incarnation: "1"}}); err != nil {
		return err
	}
	for {
		req, err := stream.Recv()
		if err != nil {
			return err
		}
		if req.GetDrain() != nil {
			g.mu.Lock()
			g.drained++
			g.judge()
			g.mu.Unlock()
			return status.Error(codes.Aborted, "drained")
		}
	}
}

func (g *fakeLanes) judge() {
	if g.enough != nil && g.drained >= 2 && len(g.hellos) >= 6 {
		g.enough()
	}
}

// serve starts the fake on a port of its own and returns its address.
func (g *fakeLanes) serve(t testing.TB) string {
	t.Helper()
	listener := ctltest.Listen(t)
	server := grpc.NewServer()
	pb.RegisterHandlerServiceServer(server, g)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() { server.Stop(); serving.Wait() })
	return listener.Addr().String()
}

// handlerRun runs `ctl bench handler` against an exact gateway; serve is its data plane.
func handlerRun(t *testing.T, serve func(int, net.Conn), words string) (r *benchRun, code int) {
	t.Helper()
	r = newBenchRun(t.Context(), (&fakeLanes{}).serve(t))
	code = r.run("handler chat --address " + ctltest.Serve(t, ctltest.Listen(t), serve) + " " + words)
	return r, code
}

// altered answers messages of 64 bytes with what change makes of them. The answer to the k-th, from 0, may be several
// messages, or none.
func altered(change func(k int, message []byte) []byte) func(int, net.Conn) {
	return func(_ int, conn net.Conn) {
		message := make([]byte, 64)
		for k := 0; ; k++ {
			if _, err := io.ReadFull(conn, message); err != nil {
				return
			}
			if _, err := conn.Write(change(k, message)); err != nil {
				return
			}
		}
	}
}

// An exact back end passes, as fast as possible and at a rate, with large messages and with many in flight.
func TestBenchHandlerExact(t *testing.T) {
	for _, words := range []string{"", "--rate 500", "--in-flight 10", "--in-flight 8 --size 100000", "--size 16",
		"--rate 300 --in-flight 3 --size 1000"} {
		r, code := handlerRun(t, ctltest.Echo, "-c 3 -d 400ms --warmup 20ms -o json "+words)
		var got handlerResult
		if r.result(t, &got); code != app.ExitDone || got.Sent == 0 || got.Answered != got.Sent || !got.exact() ||
			got.LatencyMicroseconds.Count == 0 || got.LongestPauseMicroseconds <= 0 || got.Failures != 0 ||
			got.LatencyMicroseconds.Count > got.Answered {
			t.Errorf("%s: exit code %d, %+v: %s", words, code, got, r.stderr)
		}
	}
}

// Wrong bytes, half a message too much, and a connection that the gateway closes, fail.
func TestBenchHandlerBreaks(t *testing.T) {
	for words, serve := range map[string]func(int, net.Conn){
		"-d 1h mismatch": altered(func(k int, m []byte) []byte {
			if k == 5 {
				m[40] ^= 1
			}
			return m
		}),
		"-d 200ms mismatch": func(_ int, conn net.Conn) {
			_, _ = io.Copy(conn, conn)
			_, _ = conn.Write([]byte("half"))
		},
		"-d 1h closed": func(_ int, conn net.Conn) { _, _ = io.CopyN(conn, conn, 640) },
	} {
		flags, want := words[:strings.LastIndex(words, " ")], words[strings.LastIndex(words, " ")+1:]
		r, code := handlerRun(t, serve, "-c 1 --warmup 0s -o json "+flags)
		var got handlerResult
		r.result(t, &got)
		if code != app.ExitFailed || got.Failures != 1 || (got.Errors["mismatch"] == 1) != (want == "mismatch") ||
			(got.ClosedConnections == 1) != (want == "closed") {
			t.Errorf("%s: exit code %d, %+v: %s", words, code, got, r.stderr)
		}
	}
}

// Instances are killed and drained beside the load, and each is another one.
func TestBenchHandlerKillsAndRestarts(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	g := &fakeLanes{enough: cancel}
	r := newBenchRun(ctx, g.serve(t))
	code := r.run("handler chat --instances 3 --kill-every 100ms --restart-every 150ms -c 2 -d 1h --warmup 0s -o json " +
		"--address " + ctltest.Serve(t, ctltest.Listen(t), ctltest.Echo))
	var got handlerResult
	if r.result(t, &got); code != app.ExitDone || got.Kills == 0 || got.Restarts < 2 || !got.exact() || got.Failures != 0 {
		t.Errorf("exit code %d, %+v: %s", code, got, r.stderr)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	names := map[string]bool{}
	for _, hello := range g.hellos {
		names[hello.GetInstance()] = true
		if hello.GetHandler() != "chat" || !app.InstanceName.MatchString(hello.GetInstance()) {
			t.Errorf("hello %v", hello)
		}
	}
	if int64(g.drained) > got.Restarts || len(names) != len(g.hellos) || int64(len(names)) > 3+got.Kills+got.Restarts {
		t.Errorf("%d drained, %d names of %d instances", g.drained, len(names), len(g.hellos))
	}
}

// A gateway that takes no instance ends the run before a connection is opened, with the exit codes of all verbs.
func TestBenchHandlerWithoutAGateway(t *testing.T) {
	for code, want := range map[codes.Code]int{codes.PermissionDenied: app.ExitDenied, codes.NotFound: app.ExitNotFound,
		codes.Unimplemented: app.ExitFailed} {
		r := newBenchRun(t.Context(), (&fakeLanes{err: status.Error(code, "no")}).serve(t))
		r.dial = func(context.Context, string, string) (net.Conn, error) {
			t.Error("a connection was opened")
			return nil, io.EOF
		}
		if got := r.run("handler chat --address 127.0.0.1:1"); got != want || r.stdout.String() != "" {
			t.Errorf("%s: exit code %d: %s", code, got, r.stderr)
		}
	}
	r := newBenchRun(t.Context(), ctltest.Refused(t))
	if got := r.run("handler chat --address 127.0.0.1:1"); got != app.ExitUnreachable {
		t.Errorf("exit code %d: %s", got, r.stderr)
	}
}

// Words that cannot be meant are refused.
func TestBenchHandlerUsage(t *testing.T) {
	for words, want := range map[string]string{
		"handler":                                              "the NAME of one handler",
		"handler chat":                                         "give --address ADDR",
		"handler Chat --address x:1":                           "is no handler's name",
		"handler chat --address x":                             "is not an address",
		"handler chat --address x:1 --instances 0":             "give 1 to 256",
		"handler chat --address x:1 --instances 257":           "give 1 to 256",
		"handler chat --address x:1 --in-flight 0":             "give 1 to 1000",
		"handler chat --address x:1 --in-flight 1001":          "give 1 to 1000",
		"handler chat --address x:1 --size 15":                 "give 16 to 1048576 bytes",
		"handler chat --address x:1 --size 1048577":            "give 16 to 1048576 bytes",
		"handler chat --address x:1 --kill-every 99ms":         "--kill-every 99ms is not possible",
		"handler chat --address x:1 --kill-every -1s":          "--kill-every -1s is not possible",
		"handler chat --address x:1 --restart-every 25h":       "--restart-every 25h0m0s is not possible",
		"handler chat --address x:1 --in-flight 1000 -c 20000": "are too many",
		"handler chat --address x:1 -o name":                   "use table or json",
	} {
		r := newBenchRun(t.Context(), ctltest.Refused(t))
		if code := r.run(words); code != app.ExitUsage || !strings.Contains(r.stderr.String(), want) {
			t.Errorf("%s: exit code %d: %s", words, code, r.stderr)
		}
	}
}

// The table and the object have these rows and names.
func TestBenchHandlerFormats(t *testing.T) {
	r, code := handlerRun(t, ctltest.Echo, "-c 2 -d 300ms --warmup 10ms")
	var rows []string
	for line := range strings.Lines(r.stdout.String()) {
		if fields := strings.Fields(line); len(fields) > 0 {
			rows = append(rows, fields[0])
		}
	}
	if want := "bench address handler connections load messages exactness throughput longest failures client LATENCY " +
		"round"; code != app.ExitDone || strings.Join(rows, " ") != want {
		t.Errorf("exit code %d: %q\n%s%s", code, rows, r.stdout, r.stderr)
	}
	r, _ = handlerRun(t, ctltest.Echo, "-c 2 -d 300ms --warmup 10ms -o json")
	want := "{benchmark address tls interrupted handler instances connections connected connectSeconds " +
		"connectsPerSecond sizeBytes inFlight targetPerSecond warmupSeconds measuredSeconds sent answered unsent lost doubled outOfOrder " +
		"closedConnections kills restarts movedConnections messagesPerSecond bytesPerSecond longestPauseMicroseconds " +
		"latencyMicroseconds" + latencyKeys + footerKeys
	if got := keys(t, r.stdout.String()); got != want {
		t.Errorf("%s\nexpected\n%s", got, want)
	}
}

// Ctrl-C ends a run of an hour, which prints what it has.
func TestBenchHandlerInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := newBenchRun(ctx, (&fakeLanes{}).serve(t))
	r.terminal = true
	addr := ctltest.Serve(t, ctltest.Listen(t), ctltest.Echo)
	ended := make(chan int, 1)
	go func() { ended <- r.run("handler chat -c 2 -d 1h --warmup 0s -o json --address", addr) }()
	r.stderr.AwaitMatch(t, regexp.MustCompile(`handler +\[.* [1-9][0-9,]* messages`))
	cancel()
	if code := <-ended; code != app.ExitDone || !strings.Contains(r.stdout.String(), `"interrupted":true`) {
		t.Errorf("exit code %d: %s%s", code, r.stdout, r.stderr)
	}
}
