package remote_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/sockgate/sockgate/gateway/remote"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// fake plays a gateway by the contract. A test takes each stream as a session, and plays it.
type fake struct {
	pb.UnimplementedHandlerServiceServer
	t        *testing.T
	listener *bufconn.Listener
	server   *grpc.Server
	conn     *grpc.ClientConn
	attached chan *session
}

// startFake starts a gateway in the bubble of the test.
func startFake(t *testing.T) *fake {
	f := &fake{t: t, listener: bufconn.Listen(1 << 20), server: grpc.NewServer(), attached: make(chan *session)}
	pb.RegisterHandlerServiceServer(f.server, f)
	go func() { _ = f.server.Serve(f.listener) }() // fails only because it was stopped
	f.conn = f.dial()
	return f
}

func (f *fake) dial() *grpc.ClientConn {
	conn, err := grpc.NewClient("passthrough:fake", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return f.listener.Dial() }))
	if err != nil {
		f.t.Fatal(err)
	}
	return conn
}

func (f *fake) stop() {
	_ = f.conn.Close()
	f.server.Stop()
}

// session is one stream.
type session struct {
	t        *testing.T
	hello    *pb.Hello
	stream   pb.HandlerService_AttachServer
	requests chan *pb.AttachRequest // closed when the program has ended the stream
	ended    chan error
	pending  []*pb.Command
	drain    *time.Duration // of the last request that had one
	empty    int            // requests without anything
}

// Attach hands the stream to the test, and ends it as the test says.
func (f *fake) Attach(stream pb.HandlerService_AttachServer) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	s := &session{t: f.t, hello: first.GetHello(), stream: stream, requests: make(chan *pb.AttachRequest, 1<<16),
		ended: make(chan error, 1)}
	go func() {
		defer close(s.requests)
		for {
			r, err := stream.Recv()
			if err != nil {
				return
			}
			s.requests <- r
		}
	}()
	select {
	case f.attached <- s:
	case <-stream.Context().Done():
		return stream.Context().Err()
	}
	select {
	case err := <-s.ended:
		return err
	case <-stream.Context().Done():
		return stream.Context().Err()
	}
}

// accept waits for the next stream.
func (f *fake) accept() *session {
	f.t.Helper()
	select {
	case s := <-f.attached:
		return s
	case <-time.After(time.Minute):
		f.t.Fatal("no lane within a minute")
		return nil
	}
}

// greet waits for the next stream and welcomes it.
func (f *fake) greet(nodes ...*pb.NodeAddress) *session {
	f.t.Helper()
	s := f.accept()
	s.send(&pb.AttachResponse{Welcome: &pb.Welcome{Node: "a", Incarnation: "1", Window: 64 << 10, Nodes: list(nodes)}})
	return s
}

func list(nodes []*pb.NodeAddress) *pb.Nodes {
	if nodes == nil {
		return nil
	}
	return &pb.Nodes{Nodes: nodes}
}

func (s *session) send(r *pb.AttachResponse) {
	s.t.Helper()
	if err := s.stream.Send(r); err != nil {
		s.t.Errorf("sending to the program: %v", err)
	}
}

func (s *session) end(err error) { s.ended <- err }

func (s *session) deliver(d ...*pb.Delivery) { s.send(&pb.AttachResponse{Deliveries: d}) }

// command returns the next command.
func (s *session) command() *pb.Command {
	s.t.Helper()
	for len(s.pending) == 0 {
		s.request()
	}
	c := s.pending[0]
	s.pending = s.pending[1:]
	return c
}

// request takes the next request.
func (s *session) request() *pb.AttachRequest {
	s.t.Helper()
	select {
	case r, ok := <-s.requests:
		if !ok {
			s.t.Fatal("the program ended the stream")
		}
		s.take(r)
		return r
	case <-time.After(time.Minute):
		s.t.Fatal("no request within a minute")
		return nil
	}
}

func (s *session) take(r *pb.AttachRequest) {
	if r.GetDrain() != nil {
		d := r.GetDrain().AsDuration()
		s.drain = &d
	}
	if len(r.GetCommands()) == 0 && r.GetDrain() == nil {
		s.empty++
	}
	s.pending = append(s.pending, r.GetCommands()...)
}

// awaitDrain returns the time of the next drain.
func (s *session) awaitDrain() time.Duration {
	s.t.Helper()
	for s.drain == nil {
		s.request()
	}
	d := *s.drain
	s.drain = nil
	return d
}

// closedByProgram waits until the program has ended the stream.
func (s *session) closedByProgram() {
	for range s.requests {
	}
}

// mustCommand checks the next command in the form of show.
func (s *session) mustCommand(want string) {
	s.t.Helper()
	if got := show(s.command()); got != want {
		s.t.Fatalf("the command is %q, expected %q", got, want)
	}
}

// show makes a command readable.
func show(c *pb.Command) string {
	text := fmt.Sprintf("%d@%d %q", c.GetConnection(), c.GetAcknowledged(), c.GetData())
	if c.State != nil {
		text += fmt.Sprintf(" state %q", c.GetState())
	}
	if len(c.GetSetLabels()) > 0 {
		text += fmt.Sprint(" ", c.GetSetLabels())
	}
	if len(c.GetRemoveLabels()) > 0 {
		text += fmt.Sprint(" -", c.GetRemoveLabels())
	}
	if c.GetIdleTimeout() != nil {
		text += fmt.Sprint(" idle ", c.GetIdleTimeout().AsDuration())
	}
	if c.NotifyIdle != nil {
		text += fmt.Sprint(" notify ", c.GetNotifyIdle())
	}
	if c.GetClose() != nil {
		text += fmt.Sprintf(" close %q %v", c.GetClose().GetText(), c.GetClose().GetReset_())
	}
	if c.GetMoveTo() != "" {
		text += " to " + c.GetMoveTo()
	}
	return text
}

func opened(number, position uint64) *pb.Delivery {
	return &pb.Delivery{Connection: number, Position: position, News: &pb.Delivery_Opened{Opened: &pb.Opened{
		Connection: &pb.Connection{Id: fmt.Sprint("a.1.", number), RemoteAddress: "192.0.2.1:1"},
		Resumed:    position > 0}}}
}

func data(number, position uint64, p string) *pb.Delivery {
	return &pb.Delivery{Connection: number, Position: position, News: &pb.Delivery_Data{Data: []byte(p)}}
}

func ended(number, position uint64) *pb.Delivery {
	return &pb.Delivery{Connection: number, Position: position, News: &pb.Delivery_Ended{Ended: true}}
}

func closed(number uint64, reason pb.CloseReason, text string) *pb.Delivery {
	return &pb.Delivery{Connection: number, News: &pb.Delivery_Closed{Closed: &pb.LaneClosed{Reason: reason, Text: text,
		UnsentBytes: 7}}}
}

func moved(number uint64) *pb.Delivery {
	return &pb.Delivery{Connection: number, News: &pb.Delivery_Closed{Closed: &pb.LaneClosed{Moved: true}}}
}

// program is a Serve under way.
type program struct {
	t      *testing.T
	cancel context.CancelCauseFunc
	result chan error
}

func serve(t *testing.T, f *fake, c remote.Config, h remote.Handler) *program {
	ctx, cancel := context.WithCancelCause(context.Background())
	p := &program{t: t, cancel: cancel, result: make(chan error, 1)}
	if c.Handler == "" {
		c.Handler = "chat"
	}
	go func() { p.result <- remote.Serve(ctx, f.conn, c, h) }()
	return p
}

// stop ends the program at once.
func (p *program) stop() {
	p.t.Helper()
	p.cancel(remote.ErrAbandon)
	p.mustReturn(nil)
}

func (p *program) mustReturn(want error) {
	p.t.Helper()
	if got := p.wait(); got != want {
		p.t.Errorf("Serve returned %v, expected %v", got, want)
	}
}

func (p *program) wait() error {
	p.t.Helper()
	select {
	case err := <-p.result:
		return err
	case <-time.After(2 * time.Hour):
		p.t.Fatal("Serve does not return")
		return nil
	}
}

// play runs a test with a gateway and a program, in a bubble with a clock of its own.
func play(t *testing.T, c remote.Config, h remote.Handler, test func(t *testing.T, f *fake, p *program)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := startFake(t)
		defer f.stop()
		p := serve(t, f, c, h)
		defer p.cancel(remote.ErrAbandon) // for a test that fails
		test(t, f, p)
	})
}

// nothing is a response without anything.
var nothing = &pb.AttachResponse{}

var _ io.Writer = (*remote.Conn)(nil)
var _ io.Writer = (*remote.Answer)(nil)
