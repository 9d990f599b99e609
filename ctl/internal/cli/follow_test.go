package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/ctltest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// eventLog is a gateway's event stream: numbered events in batches of two, resumable, and breakable.
type eventLog struct {
	mu       sync.Mutex
	present  int   // connections of the snapshot, one a response
	events   int   // kept events
	breakAt  []int // for each stream in turn: after how many responses it breaks
	breakErr error
	grow     int // events that happen at each break
	streams  []*pb.StreamEventsRequest
}

func (l *eventLog) gateway() *fakeGateway {
	return &fakeGateway{stream: l.stream, gateway: func() (*pb.GetGatewayResponse, error) {
		return &pb.GetGatewayResponse{Node: "n", Cursor: "c.0@0"}, nil
	}}
}

// stream sends the requested events, then a heartbeat, and ends with OK when the caller has everything.
func (l *eventLog) stream(req *pb.StreamEventsRequest, s eventStream) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.streams = append(l.streams, req)
	left := 1 << 30
	if len(l.breakAt) > 0 {
		left, l.breakAt = l.breakAt[0], l.breakAt[1:]
	}
	for _, resp := range l.responses(req) {
		if left == 0 {
			l.events += l.grow
			return l.breakErr
		}
		left--
		if err := s.Send(resp); err != nil {
			return err
		}
	}
	if left == 0 {
		return l.breakErr
	}
	return nil
}

func (l *eventLog) responses(req *pb.StreamEventsRequest) []*pb.StreamEventsResponse {
	var out []*pb.StreamEventsResponse
	from, _ := strconv.Atoi(strings.TrimPrefix(req.GetAfter(), "c.0@"))
	if req.GetSnapshot() {
		for i := range l.present {
			out = append(out, &pb.StreamEventsResponse{Events: []*pb.Event{logEvent(
				pb.EventType_EVENT_TYPE_PRESENT, i+1)}})
		}
		done := logEvent(pb.EventType_EVENT_TYPE_SNAPSHOT_COMPLETE, 0)
		done.Connection = nil
		out = append(out, &pb.StreamEventsResponse{Events: []*pb.Event{done}, Cursor: "c.0@0"})
	}
	for at := from; at < l.events; at += 2 {
		resp := &pb.StreamEventsResponse{Cursor: fmt.Sprintf("c.0@%d", min(at+2, l.events))}
		for n := at + 1; n <= min(at+2, l.events); n++ {
			resp.Events = append(resp.Events, logEvent(pb.EventType_EVENT_TYPE_CONNECTED, n))
		}
		out = append(out, resp)
	}
	return append(out, &pb.StreamEventsResponse{Cursor: fmt.Sprintf("c.0@%d", l.events)})
}

func logEvent(t pb.EventType, n int) *pb.Event {
	return &pb.Event{Node: "n", Sequence: uint64(n), Time: timestamppb.New(testNow()), Type: t,
		Connection: testConnection(fmt.Sprintf("n.1.%d", n))}
}

func numbered(from, to int) string {
	var b strings.Builder
	for n := from; n <= to; n++ {
		fmt.Fprintf(&b, "n.1.%d\n", n)
	}
	return b.String()
}

// follow runs stream-events --reconnect until `want` lines are out, and returns the run.
func follow(t *testing.T, l *eventLog, want int, args ...string) *invocation {
	t.Helper()
	run := against(t, l.gateway())
	args = append([]string{"stream-events", "--reconnect", "-o", "name", "--limit", strconv.Itoa(want)}, args...)
	if code := run.run(args...); code != app.ExitDone {
		t.Errorf("exit code %d: %s", code, run.stderr)
	}
	return run
}

var errBroken = status.Error(codes.Unavailable, "broken")

// Wherever a stream breaks, and with any status, no event is lost and none repeated.
func TestReconnectAtEveryPoint(t *testing.T) {
	broken := []error{errBroken, nil, status.Error(codes.Internal, "reset"), status.Error(codes.DeadlineExceeded, "")}
	for at := range 6 {
		for _, err := range broken {
			t.Run(fmt.Sprintf("after %d responses with %s", at, status.Code(err)), func(t *testing.T) {
				l := &eventLog{events: 7, breakAt: []int{at, 0, 1, 0}, breakErr: err, grow: 2}
				run := follow(t, l, 9)
				if got := run.stdout.String(); got != numbered(1, 9) {
					t.Errorf("got:\n%s\nstderr:\n%s", got, run.stderr)
				}
				for i, req := range l.streams {
					if req.GetAfter() == "" {
						t.Errorf("stream %d began at no fixed point", i+1)
					}
				}
			})
		}
	}
}

func TestReconnectAfter(t *testing.T) {
	l := &eventLog{events: 8, breakAt: []int{0, 2, 1}, breakErr: errBroken}
	run := follow(t, l, 5, "--after", "c.0@3")
	if got := run.stdout.String(); got != numbered(4, 8) {
		t.Errorf("got:\n%s", got)
	}
	run.stderr.Await(t, "resuming behind cursor c.0@7")
}

// A snapshot that breaks starts again, and nothing of the broken one is printed; once complete, it is not asked for
// again.
func TestReconnectWithinSnapshot(t *testing.T) {
	for at := range 8 {
		t.Run(fmt.Sprintf("after %d responses", at), func(t *testing.T) {
			l := &eventLog{present: 3, events: 4, breakAt: []int{at}, breakErr: errBroken}
			run := follow(t, l, 7, "--snapshot")
			if got, want := run.stdout.String(), numbered(1, 3)+numbered(1, 4); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
			for i, req := range l.streams {
				again := i == 0 || at < 4 // the fourth response completes the snapshot
				if req.GetSnapshot() != again || req.GetSnapshot() != (req.GetAfter() == "") {
					t.Errorf("stream %d: snapshot %t after %q", i+1, req.GetSnapshot(), req.GetAfter())
				}
			}
		})
	}
}

// Cutting the TCP connection after any number of bytes loses and repeats nothing either.
func TestReconnectAtEveryByte(t *testing.T) {
	l := &eventLog{events: 20}
	backend := l.gateway().serve(t)
	for cut := 0; cut < 4000; cut += 97 {
		run := &invocation{ctx: t.Context(), gateway: cuttingProxy(t, backend, cut), stdout: ctltest.NewOutput(),
			stderr: ctltest.NewOutput()}
		if code := run.run("stream-events", "--reconnect", "-o", "name", "--limit", "20"); code != app.ExitDone {
			t.Fatalf("cut at %d: exit code %d: %s", cut, code, run.stderr)
		}
		if got := run.stdout.String(); got != numbered(1, 20) {
			t.Fatalf("cut at %d: got:\n%s\nstderr:\n%s", cut, got, run.stderr)
		}
	}
}

// cuttingProxy forwards connections, and cuts the first one after so many bytes from the backend.
func cuttingProxy(t *testing.T, backend string, cut int) string {
	listener := ctltest.Listen(t)
	var wg sync.WaitGroup
	t.Cleanup(func() { _ = listener.Close(); wg.Wait() })
	wg.Go(func() {
		for first := true; ; first = false {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			limit := int64(1 << 40)
			if first {
				limit = int64(cut)
			}
			wg.Go(func() { forward(client, backend, limit) })
		}
	})
	return listener.Addr().String()
}

func forward(client net.Conn, backend string, limit int64) {
	defer client.Close()
	server, err := net.Dial("tcp", backend)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	}()
	_, _ = io.CopyN(client, server, limit)
}

func TestStreamEndsWithTheGateway(t *testing.T) {
	run := against(t, (&eventLog{events: 3}).gateway())
	run.expect(t, app.ExitDone, numbered(1, 3), "", "events", "-o", "name")
}

func TestStreamBreaksWithoutReconnect(t *testing.T) {
	run := against(t, (&eventLog{events: 3, breakAt: []int{1}, breakErr: errBroken}).gateway())
	run.expect(t, app.ExitUnreachable, numbered(1, 2),
		"ctl: to go on from here: --after c.0@2\n"+
			"ctl: cannot reach the gateway at GATEWAY: broken; is it running? Name another with --gateway ADDR or "+
			"SOCKGATE_GATEWAY\n",
		"events", "-o", "name")
}

func TestReconnectGivesUpOnWhatWillNotMend(t *testing.T) {
	for _, code := range []codes.Code{codes.InvalidArgument, codes.PermissionDenied, codes.Unimplemented, codes.NotFound} {
		run := against(t, (&eventLog{breakAt: []int{0}, breakErr: status.Error(code, "no")}).gateway())
		if got := run.run("events", "--reconnect"); got != app.ExitCode(status.Error(code, "no")) {
			t.Errorf("%s: exit code %d", code, got)
		}
	}
}

func TestInterruptEndsWellAndTellsTheCursor(t *testing.T) {
	for _, reconnect := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		g := (&eventLog{}).gateway()
		g.stream = func(_ *pb.StreamEventsRequest, s eventStream) error {
			_ = s.Send(&pb.StreamEventsResponse{Events: []*pb.Event{logEvent(
				pb.EventType_EVENT_TYPE_CONNECTED, 7)}, Cursor: "c.0@7"})
			<-s.Context().Done()
			return nil
		}
		run := against(t, g)
		run.ctx = ctx
		go func() {
			run.stdout.Await(t, "n.1.7")
			cancel()
		}()
		run.expect(t, app.ExitDone, "n.1.7\n", "ctl: to go on from here: --after c.0@7\n",
			"events", "-o", "name", fmt.Sprintf("--reconnect=%t", reconnect))
	}
}

func TestStreamStopsWhenOutputFails(t *testing.T) {
	run := against(t, (&eventLog{events: 3}).gateway())
	run.stdout.FailWith(errors.New("disk full"))
	if code := run.run("events", "--reconnect"); code != app.ExitFailed {
		t.Errorf("exit code %d", code)
	}
	run.stderr.Await(t, "disk full")
}

func TestRetryDelayDoublesToItsBound(t *testing.T) {
	var r app.RetryDelay
	for i := range 20 {
		full := min(app.BackoffFirst<<min(i, 10), app.BackoffLast)
		if d := r.Next(); d < full/2 || d > full {
			t.Errorf("pause %d is %s, want %s to %s", i, d, full/2, full)
		}
	}
	r.Reset()
	if d := r.Next(); d > app.BackoffFirst {
		t.Errorf("after a reset: %s", d)
	}
}

func TestStreamRequest(t *testing.T) {
	var got *pb.StreamEventsRequest
	g := &fakeGateway{stream: func(req *pb.StreamEventsRequest, _ eventStream) error { got = req; return nil }}
	run := against(t, g)
	run.expect(t, app.ExitDone, "", "", "events", "--type", "connected,EVENT_TYPE_CLOSED", "--type", "backpressure-on",
		"--data", "--max-data-bytes", "9", "--filter", "true", "--after", "0")
	want := "[EVENT_TYPE_CONNECTED EVENT_TYPE_CLOSED EVENT_TYPE_BACKPRESSURE_ON EVENT_TYPE_DATA]"
	if fmt.Sprint(got.GetTypes()) != want || !got.GetIncludeData() || got.GetMaxDataBytes() != 9 ||
		got.GetFilter() != "true" || got.GetAfter() != "0" {
		t.Errorf("request: %v", got)
	}
}
