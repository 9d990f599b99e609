package daemon_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/sockgate/sockgate/gateway/daemon"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// patience is how long anything may take before a test gives up. No passing test waits that long.
const patience = 30 * time.Second

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

func write(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gateway.yaml")
	check(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// run runs the daemon with a context that has ended. With a valid configuration it starts and drains at once.
func run(environ []string, args ...string) (code int, stdout, stderr string) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out, err bytes.Buffer
	code = daemon.Run(ctx, daemon.Process{Args: args, Environ: environ, Stdout: &out, Stderr: &err})
	return code, out.String(), err.String()
}

// instance is a running gateway, in this process or in one of its own.
type instance struct {
	t         testing.TB
	addresses []string // of the listeners
	control   string
	client    pb.GatewayServiceClient
	lines     []string // of the log, up to the line about the control plane
	rest      *bufio.Reader
}

// started reads the log until the gateway has started, and connects to its control plane.
func started(t testing.TB, log io.Reader) *instance {
	t.Helper()
	i := &instance{t: t, rest: bufio.NewReader(log)}
	for i.control == "" {
		line, err := i.rest.ReadString('\n')
		if err != nil {
			t.Fatalf("the gateway has not started: %v\n%s%s", err, strings.Join(i.lines, ""), line)
		}
		i.lines = append(i.lines, line)
		var entry struct {
			Message string `json:"@message"`
			Address string `json:"address"`
		}
		check(t, json.Unmarshal([]byte(line), &entry))
		switch entry.Message {
		case "listening":
			i.addresses = append(i.addresses, entry.Address)
		case "control plane listening":
			i.control = entry.Address
		}
	}
	i.client = i.connect()
	return i
}

// connect makes a new connection to the control plane.
func (i *instance) connect() pb.GatewayServiceClient {
	i.t.Helper()
	target := i.control
	if strings.HasPrefix(target, "/") {
		target = "unix:" + target
	}
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(i.t, err)
	i.t.Cleanup(func() { _ = conn.Close() })
	return pb.NewGatewayServiceClient(conn)
}

// info returns the gateway's description of itself.
func (i *instance) info() *pb.GetGatewayResponse {
	i.t.Helper()
	r, err := i.client.GetGateway(patiently(i.t), &pb.GetGatewayRequest{})
	check(i.t, err)
	return r
}

// dial connects to the first listener.
func (i *instance) dial() net.Conn {
	i.t.Helper()
	conn, err := net.Dial("tcp", i.addresses[0])
	check(i.t, err)
	i.t.Cleanup(func() { _ = conn.Close() })
	check(i.t, conn.SetDeadline(time.Now().Add(patience)))
	return conn
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

// follow opens an event stream, and reads its first response.
func (i *instance) follow(r *pb.StreamEventsRequest) grpc.ServerStreamingClient[pb.StreamEventsResponse] {
	i.t.Helper()
	stream, err := i.client.StreamEvents(patiently(i.t), r)
	check(i.t, err)
	_, err = stream.Recv()
	check(i.t, err)
	return stream
}

// until reads a stream up to the first wanted event.
func until(t testing.TB, stream grpc.ServerStreamingClient[pb.StreamEventsResponse],
	wanted func(*pb.Event) bool) *pb.Event {
	t.Helper()
	for {
		r, err := stream.Recv()
		check(t, err)
		for _, e := range r.GetEvents() {
			if wanted(e) {
				return e
			}
		}
	}
}

// remaining reads a stream to its end, which must be OK.
func remaining(t testing.TB, stream grpc.ServerStreamingClient[pb.StreamEventsResponse]) []*pb.Event {
	t.Helper()
	var events []*pb.Event
	for {
		r, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return events
		}
		check(t, err)
		events = append(events, r.GetEvents()...)
	}
}

// loopback makes a gateway listen on free ports, and log in a form that can be parsed.
var loopback = []string{"--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", "--node", "test", "--log-format", "json"}

// journal is a log that can be read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

// count returns how many lines contain a text.
func (j *journal) count(text string) (n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for line := range strings.Lines(j.text.String()) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// await waits until n lines contain a text.
func (j *journal) await(t testing.TB, n int, text string) {
	t.Helper()
	for deadline := time.Now().Add(patience); j.count(text) < n; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the log has not %d lines with %q", n, text)
		}
	}
}

// inside is a gateway in this process.
type inside struct {
	*instance
	signals chan os.Signal
	hangups chan os.Signal
	log     *journal // everything after the line about the control plane
	stdout  *bytes.Buffer
	code    chan int
}

// start runs the daemon in this process, with the flags of loopback and more flags.
func start(t testing.TB, environ []string, flags ...string) *inside {
	t.Helper()
	return startWith(t, environ, append(append([]string(nil), loopback...), flags...)...)
}

func startWith(t testing.TB, environ []string, args ...string) *inside {
	t.Helper()
	return startOn(t, "", environ, args...)
}

// startOn runs the daemon on a machine whose /proc and /sys are below root.
func startOn(t testing.TB, root string, environ []string, args ...string) *inside {
	t.Helper()
	g := &inside{signals: make(chan os.Signal, 2), hangups: make(chan os.Signal, 1), log: new(journal),
		stdout: new(bytes.Buffer), code: make(chan int, 1)}
	reader, writer := io.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		g.code <- daemon.Run(ctx, daemon.Process{Args: args, Environ: environ, Stdout: g.stdout, Stderr: writer,
			Signals: g.signals, Hangups: g.hangups, Root: root})
		_ = writer.Close()
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	g.instance = started(t, reader)
	running.Go(func() { _, _ = io.Copy(g.log, g.rest) })
	return g
}

// exit waits for the end and returns the exit code.
func (g *inside) exit() int { return <-g.code }
