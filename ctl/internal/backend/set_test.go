package backend

import (
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/ctltest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestMain fails when a test leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lane is one lane of the fake gateway: the test sends what is to be delivered, and receives the requests.
type lane struct {
	hello     *pb.Hello
	responses chan *pb.AttachResponse
	requests  chan *pb.AttachRequest
	end       chan error // ends the stream with it
	ended     chan struct{}
}

// fakeLanes gives each lane that attaches to the test.
type fakeLanes struct {
	pb.UnimplementedHandlerServiceServer
	lanes   chan *lane
	welcome *pb.AttachResponse
}

func (g *fakeLanes) Attach(stream pb.HandlerService_AttachServer) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	l := &lane{hello: first.GetHello(), responses: make(chan *pb.AttachResponse), end: make(chan error),
		requests: make(chan *pb.AttachRequest, 100), ended: make(chan struct{})}
	defer close(l.ended)
	if err := stream.Send(g.welcome); err != nil {
		return err
	}
	g.lanes <- l
	go func() {
		defer close(l.requests)
		for {
			req, err := stream.Recv()
			if err != nil {
				return
			}
			l.requests <- req
		}
	}()
	for {
		select {
		case resp := <-l.responses:
			if err := stream.Send(resp); err != nil {
				return err
			}
		case err := <-l.end:
			return err
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

// with runs use with a set of n instances at a fake gateway, and returns the failures.
func with(t *testing.T, n int, use func(*Set, *fakeLanes)) (failed []error) {
	t.Helper()
	g := &fakeLanes{lanes: make(chan *lane, 10), welcome: &pb.AttachResponse{Welcome: &pb.Welcome{Node: "n",
		Incarnation: "1"}}}
	listener := ctltest.Listen(t)
	server := grpc.NewServer()
	pb.RegisterHandlerServiceServer(server, g)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	defer serving.Wait()
	defer server.Stop()
	run(t, listener.Addr().String(), func(a *app.App) {
		var mu sync.Mutex
		s, err := Start(a, "chat", n, func(err error) {
			mu.Lock()
			defer mu.Unlock()
			failed = append(failed, err)
		})
		if err != nil {
			t.Error(err)
			return
		}
		defer s.Close()
		use(s, g)
	})
	return failed
}

// run calls use with the App of a run of ctl against a gateway.
func run(t *testing.T, gateway string, use func(*app.App)) {
	t.Helper()
	out := ctltest.NewOutput()
	app.Run(t.Context(), []string{"--gateway", gateway}, app.Env{Stdin: strings.NewReader(""), Stdout: out, Stderr: out},
		func(a *app.App) *cobra.Command {
			return &cobra.Command{Use: "ctl", RunE: a.RunE(func(*cobra.Command, []string) error { use(a); return nil })}
		})
}

// commands receives n commands of a lane.
func (l *lane) commands(n int) (all []*pb.Command) {
	for len(all) < n {
		req, ok := <-l.requests
		if !ok {
			return all
		}
		all = append(all, req.GetCommands()...)
	}
	return all
}

// A delivery is answered with one command, in the order of the deliveries: bytes come back with their acknowledgement.
func TestEcho(t *testing.T) {
	failed := with(t, 1, func(s *Set, g *fakeLanes) {
		l := <-g.lanes
		l.responses <- &pb.AttachResponse{Deliveries: []*pb.Delivery{
			{Connection: 7, News: &pb.Delivery_Opened{Opened: &pb.Opened{}}},
			{Connection: 7, Position: 5, News: &pb.Delivery_Data{Data: []byte("hello")}},
			{Connection: 8, Position: 40, News: &pb.Delivery_Opened{Opened: &pb.Opened{Resumed: true}}},
			{Connection: 7, Position: 5, News: &pb.Delivery_Written{Written: 5}},
			{Connection: 7, Position: 6, News: &pb.Delivery_Data{Data: []byte("!")}},
			{Connection: 8, Position: 40, News: &pb.Delivery_Ended{Ended: true}},
			{Connection: 9, News: &pb.Delivery_Closed{Closed: &pb.LaneClosed{Moved: true}}},
		}}
		want := []*pb.Command{
			{Connection: 7},
			{Connection: 7, Data: []byte("hello"), Acknowledged: 5},
			{Connection: 8, Acknowledged: 40},
			{Connection: 7, Data: []byte("!"), Acknowledged: 6},
			{Connection: 8, Acknowledged: 40, Close: &pb.Close{}},
		}
		got := l.commands(len(want))
		if !slices.EqualFunc(got, want, func(a, b *pb.Command) bool { return proto.Equal(a, b) }) {
			t.Errorf("commands %v", got)
		}
		if s.Moved() != 1 {
			t.Errorf("%d moved", s.Moved())
		}
	})
	if failed != nil {
		t.Error(failed)
	}
}

// A request has no more commands than the gateway takes at once: each of its messages is at most 1.25 MiB.
func TestRequestsAreBounded(t *testing.T) {
	with(t, 1, func(_ *Set, g *fakeLanes) {
		l := <-g.lanes
		resp := &pb.AttachResponse{}
		for k := range 40 {
			resp.Deliveries = append(resp.Deliveries, &pb.Delivery{Connection: uint64(k), Position: 50_000,
				News: &pb.Delivery_Data{Data: make([]byte, 50_000)}})
		}
		l.responses <- resp
		for got := 0; got < 40; {
			req := <-l.requests
			if got += len(req.GetCommands()); proto.Size(req) > 2*batch {
				t.Errorf("a request of %d bytes", proto.Size(req))
			}
		}
	})
}

// A kill ends the stream without a drain, and a restart drains the oldest when another is there.
func TestKillAndRestart(t *testing.T) {
	failed := with(t, 2, func(s *Set, g *fakeLanes) {
		first, second := <-g.lanes, <-g.lanes
		s.Kill()
		<-first.ended
		third := <-g.lanes
		s.Restart()
		fourth := <-g.lanes
		if req := <-second.requests; req.GetDrain().AsDuration() != Drain {
			t.Errorf("request %v", req)
		}
		second.end <- status.Error(codes.Aborted, "it has drained")
		<-second.ended
		if req, more := <-first.requests; more {
			t.Errorf("the killed one said %v", req)
		}
		names := []string{first.hello.GetInstance(), second.hello.GetInstance(), third.hello.GetInstance(),
			fourth.hello.GetInstance()}
		if slices.Sort(names); len(slices.Compact(names)) != 4 || s.Kills() != 1 || s.Restarts() != 1 {
			t.Errorf("%q, %d kills, %d restarts", names, s.Kills(), s.Restarts())
		}
	})
	if failed != nil {
		t.Error(failed)
	}
}

// An instance whose connection is old is replaced and drained, once. One that an operator has drained is replaced. One
// whose stream breaks is a failure, and is replaced too.
func TestReplacements(t *testing.T) {
	failed := with(t, 1, func(s *Set, g *fakeLanes) {
		first := <-g.lanes
		old := &pb.AttachResponse{Reattach: durationpb.New(time.Minute)}
		first.responses <- old
		second := <-g.lanes
		if req := <-first.requests; req.GetDrain() == nil {
			t.Errorf("request %v", req)
		}
		first.responses <- old
		first.end <- nil
		second.end <- status.Error(codes.DeadlineExceeded, "it is frozen")
		third := <-g.lanes
		third.end <- nil
		fourth := <-g.lanes
		fourth.end <- status.Error(codes.Aborted, "its drain is over")
		<-g.lanes
		if s.Restarts() != 2 {
			t.Errorf("%d restarts", s.Restarts())
		}
	})
	if len(failed) != 1 || !strings.Contains(failed[0].Error(), "it is frozen") {
		t.Error(failed)
	}
}

// A gateway whose first answer is no welcome is refused, and so is one that does not welcome in time.
func TestNoWelcome(t *testing.T) {
	if err := startError(t, func(stream pb.HandlerService_AttachServer) error {
		return stream.Send(&pb.AttachResponse{})
	}); err == nil || !strings.Contains(err.Error(), "has no welcome") {
		t.Error(err)
	}
	if err := startError(t, func(pb.HandlerService_AttachServer) error { return nil }); err == nil ||
		!strings.Contains(err.Error(), "without a welcome") {
		t.Error(err)
	}
	if err := startError(t, func(stream pb.HandlerService_AttachServer) error {
		<-stream.Context().Done()
		return io.EOF
	}); err == nil || !strings.Contains(err.Error(), "within 200ms; allow it more with --timeout") {
		t.Error(err)
	}
}

// attachFunc is a HandlerService of one function.
type attachFunc struct {
	pb.UnimplementedHandlerServiceServer
	attach func(pb.HandlerService_AttachServer) error
}

func (g attachFunc) Attach(stream pb.HandlerService_AttachServer) error { return g.attach(stream) }

// startError starts a set at a gateway, within 200 ms.
func startError(t *testing.T, attach func(pb.HandlerService_AttachServer) error) error {
	t.Helper()
	listener := ctltest.Listen(t)
	server := grpc.NewServer()
	pb.RegisterHandlerServiceServer(server, attachFunc{attach: attach})
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	defer serving.Wait()
	defer server.Stop()
	err := errors.New("not run")
	run(t, listener.Addr().String(), func(a *app.App) {
		a.Timeout = 200 * time.Millisecond
		_, err = Start(a, "chat", 1, func(error) {})
	})
	return err
}
