package control_test

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/gatewaytest"
	"github.com/sockgate/sockgate/gateway/lane"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// startRemote runs a gateway whose listener has the remote handler `test`.
func startRemote(t testing.TB, options ...gatewaytest.Option) *gatewaytest.Gateway {
	t.Helper()
	table := lane.NewTable()
	options = append([]gatewaytest.Option{func(c *server.Config) { c.Handler = table.Handler("test") }}, options...)
	return gatewaytest.StartControl(t, control.Config{Handlers: table}, insecure.NewCredentials(), options...)
}

// attachment is a program's side of a lane.
type attachment struct {
	t      testing.TB
	stream pb.HandlerService_AttachClient
	cancel context.CancelFunc
	queue  []*pb.Delivery
}

// attach opens a lane, and returns it with its welcome.
func attach(t testing.TB, g *gatewaytest.Gateway, hello *pb.Hello) (*attachment, *pb.Welcome) {
	t.Helper()
	a := open(t, g, &pb.AttachRequest{Hello: hello})
	r, err := a.stream.Recv()
	check(t, err)
	return a, r.GetWelcome()
}

// open begins an Attach with a first request.
func open(t testing.TB, g *gatewaytest.Gateway, first *pb.AttachRequest) *attachment {
	t.Helper()
	ctx, cancel := context.WithCancel(patiently(t))
	t.Cleanup(cancel)
	stream, err := pb.NewHandlerServiceClient(g.Conn).Attach(ctx)
	check(t, err)
	check(t, stream.Send(first))
	return &attachment{t: t, stream: stream, cancel: cancel}
}

// next returns the next delivery.
func (a *attachment) next() *pb.Delivery {
	a.t.Helper()
	for len(a.queue) == 0 {
		r, err := a.stream.Recv()
		check(a.t, err)
		a.queue = r.GetDeliveries()
	}
	d := a.queue[0]
	a.queue = a.queue[1:]
	return d
}

func (a *attachment) send(commands ...*pb.Command) {
	a.t.Helper()
	check(a.t, a.stream.Send(&pb.AttachRequest{Commands: commands}))
}

// ended reads until the stream ends, and returns its error.
func (a *attachment) ended() error {
	for {
		if _, err := a.stream.Recv(); err != nil {
			return err
		}
	}
}

// TestAttach follows a connection from opened to closed.
func TestAttach(t *testing.T) {
	t.Parallel()
	g := startRemote(t)
	a, welcome := attach(t, g, &pb.Hello{Handler: "test", Instance: "one"})
	if welcome.GetNode() != "test" || welcome.GetWindow() != 64<<10 || welcome.GetIncarnation() == "" {
		t.Error(welcome)
	}
	conn, err := net.Dial("tcp", g.Addr)
	check(t, err)
	opened := a.next()
	if c := opened.GetOpened().GetConnection(); c.GetId() != "test."+welcome.GetIncarnation()+".1" ||
		c.GetHandlerInstance() != "one" || opened.GetConnection() != 1 || opened.GetOpened().GetResumed() {
		t.Error(opened)
	}
	_, err = conn.Write([]byte("hello"))
	check(t, err)
	data := a.next()
	if string(data.GetData()) != "hello" || data.GetPosition() != 5 {
		t.Error(data)
	}
	a.send(&pb.Command{Connection: 1, Data: []byte("world"), Acknowledged: 5, SetLabels: map[string]string{"room": "7"},
		State: []byte("s")})
	expectRead(t, conn, "world")
	got, err := g.Client.GetConnection(patiently(t),
		&pb.GetConnectionRequest{Id: opened.GetOpened().GetConnection().GetId()})
	check(t, err)
	if c := got.GetConnection(); c.GetLabels()["room"] != "7" || c.GetUnacknowledgedBytes() != 0 {
		t.Error(c)
	}
	check(t, conn.(*net.TCPConn).CloseWrite())
	if d := a.next(); !d.GetEnded() {
		t.Error(d)
	}
	a.send(&pb.Command{Connection: 1, Data: []byte("bye"), Close: &pb.Close{Text: "done"}})
	rest, err := io.ReadAll(conn)
	if string(rest) != "bye" || err != nil {
		t.Errorf("%q, %v", rest, err)
	}
	check(t, conn.Close())
	if d := a.next().GetClosed(); d.GetReason() != pb.CloseReason_CLOSE_REASON_HANDLER || d.GetText() != "done" {
		t.Error(d)
	}
	check(t, a.stream.CloseSend())
	if err := a.ended(); err != io.EOF {
		t.Errorf("%v; expected an end with OK", err)
	}
}

// TestAttachErrors checks the errors of lanes that may not be, and of lanes that do what they may not.
func TestAttachErrors(t *testing.T) {
	t.Parallel()
	g := startRemote(t)
	hello := &pb.Hello{Handler: "test", Instance: "one"}
	for _, c := range []struct {
		requests []*pb.AttachRequest
		code     codes.Code
		reason   string
	}{
		{[]*pb.AttachRequest{{}}, codes.InvalidArgument, "INVALID_HELLO"},
		{[]*pb.AttachRequest{{Hello: hello, Commands: []*pb.Command{{}}}}, codes.InvalidArgument, "INVALID_HELLO"},
		{[]*pb.AttachRequest{{Hello: &pb.Hello{Handler: "test"}}}, codes.InvalidArgument, "INVALID_HELLO"},
		{[]*pb.AttachRequest{{Hello: &pb.Hello{Handler: "test", Instance: "a b"}}}, codes.InvalidArgument, "INVALID_HELLO"},
		{[]*pb.AttachRequest{{Hello: &pb.Hello{Handler: "test", Instance: "a", Window: 1}}}, codes.InvalidArgument,
			"INVALID_HELLO"},
		{[]*pb.AttachRequest{{Hello: &pb.Hello{Handler: "other", Instance: "a"}}}, codes.NotFound, "UNKNOWN_HANDLER"},
		{[]*pb.AttachRequest{{Hello: hello}, {Hello: hello}}, codes.InvalidArgument, "INVALID_COMMAND"},
		{[]*pb.AttachRequest{{Hello: hello}, {Commands: []*pb.Command{{Connection: 1, Acknowledged: 1 << 40}}}},
			codes.InvalidArgument, "INVALID_COMMAND"},
	} {
		conn, err := net.Dial("tcp", g.Addr)
		check(t, err)
		a := open(t, g, c.requests[0])
		for _, r := range c.requests[1:] {
			a.next() // opened
			for _, command := range r.GetCommands() {
				command.Connection = uint64(g.Server.Gateway().Totals.Accepted)
			}
			check(t, a.stream.Send(r))
		}
		if f, _ := failureOf(t, a.ended()); f.code != c.code || f.reason != c.reason {
			t.Errorf("%v: %v; expected %s %s", c.requests, f, c.code, c.reason)
		}
		check(t, conn.Close())
	}
}

// TestAttachFillsHealth checks that health has a service for a remote handler.
func TestAttachFillsHealth(t *testing.T) {
	t.Parallel()
	g := startRemote(t)
	health := healthpb.NewHealthClient(g.Conn)
	serves := func() bool {
		r, err := health.Check(patiently(t), &healthpb.HealthCheckRequest{Service: "remote:test"})
		check(t, err)
		return r.GetStatus() == healthpb.HealthCheckResponse_SERVING
	}
	if serves() {
		t.Error("SERVING without an instance")
	}
	a, _ := attach(t, g, &pb.Hello{Handler: "test", Instance: "one"})
	if !serves() {
		t.Error("NOT_SERVING with an instance")
	}
	a.cancel()
	for deadline := time.Now().Add(patience); serves(); {
		if time.Now().After(deadline) {
			t.Fatal("SERVING after the last instance has gone")
		}
	}
}

// TestInstances lists and drains instances.
func TestInstances(t *testing.T) {
	t.Parallel()
	g := startRemote(t)
	f := follow(t, g, &pb.StreamEventsRequest{})
	a, _ := attach(t, g, &pb.Hello{Handler: "test", Instance: "one"})
	conn, err := net.Dial("tcp", g.Addr)
	check(t, err)
	first := a.next()
	a.send(&pb.Command{Connection: first.GetConnection()})
	_, err = conn.Write([]byte("abc"))
	check(t, err)
	a.next()
	r, err := g.Client.ListInstances(patiently(t), &pb.ListInstancesRequest{})
	check(t, err)
	if i := r.GetInstances(); len(i) != 1 || i[0].GetHandler() != "test" || i[0].GetInstance() != "one" ||
		i[0].GetNode() != "test" || i[0].GetLanes() != 1 || i[0].GetConnections() != 1 ||
		i[0].GetUnacknowledgedBytes() != 3 || i[0].GetBytesDelivered() != 3 || i[0].GetDraining() {
		t.Error(i)
	}
	if h := r.GetHandlers(); len(h) != 1 || h[0].GetLanes() != 1 || h[0].GetHeld() != 0 {
		t.Error(h)
	}
	b, _ := attach(t, g, &pb.Hello{Handler: "test", Instance: "two"})
	d, err := g.Client.DrainInstance(patiently(t), &pb.DrainInstanceRequest{Handler: "test", Instance: "one"})
	check(t, err)
	if d.GetLanes() != 1 || d.GetConnections() != 1 || d.GetOtherLanes() != 1 {
		t.Error(d)
	}
	a.send(&pb.Command{Connection: first.GetConnection(), Acknowledged: 3})
	if d := a.next(); !d.GetClosed().GetMoved() {
		t.Error(d)
	}
	if err := a.ended(); err != io.EOF {
		t.Errorf("%v; expected an end with OK", err)
	}
	if o := b.next().GetOpened(); !o.GetResumed() || o.GetAttempt() != 0 {
		t.Error(o)
	}
	_, err = g.Client.DrainInstance(patiently(t), &pb.DrainInstanceRequest{Handler: "test", Instance: "three"})
	expectFailure(t, err, failure{code: codes.NotFound, reason: "UNKNOWN_INSTANCE"})
	events := f.until(pb.EventType_EVENT_TYPE_HANDLER_DETACHED)
	last := events[len(events)-1].GetHandler()
	if last.GetInstance() != "one" || last.GetLanes() != 1 || last.GetMessage() == "" {
		t.Error(last)
	}
}
