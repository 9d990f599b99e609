package lane_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/frame"
	"github.com/sockgate/sockgate/gateway/lane"
	"github.com/sockgate/sockgate/gateway/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// gateway is a server whose listener has the remote handler `test`.
type gateway struct {
	t      testing.TB
	server *server.Server
	table  *lane.Table
	addr   string
}

type option func(*server.Config)

func framed(format string) option {
	return func(c *server.Config) {
		f, err := frame.Parse(format)
		if err != nil {
			panic(err)
		}
		c.Listeners[0].Frame = f
	}
}

func limits(l server.Limits) option { return func(c *server.Config) { c.Limits = l } }

func engine(name string) option { return func(c *server.Config) { c.Engine = name } }

// start runs a gateway until the end of the test.
func start(t testing.TB, options ...option) *gateway {
	t.Helper()
	g, stop := begin(t, options...)
	t.Cleanup(stop)
	return g
}

// begin runs a gateway until stop.
func begin(t testing.TB, options ...option) (_ *gateway, stop func()) {
	t.Helper()
	g := &gateway{t: t, table: lane.NewTable()}
	c := server.Config{Node: "test", CloseTimeout: time.Second,
		Listeners: []server.ListenerConfig{{Name: "main", Address: "127.0.0.1:0", Handler: g.table.Handler("test")}}}
	for _, o := range options {
		o(&c)
	}
	var err error
	g.server, err = server.New(c)
	check(t, err)
	check(t, g.server.Listen())
	g.addr = g.server.Gateway().Listeners[0].Address
	g.table.Start(g.server)
	var serving sync.WaitGroup
	serving.Go(func() { _ = g.server.Serve(context.Background()) })
	return g, func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		_ = g.server.Shutdown(now)
		serving.Wait()
		g.table.Stop()
		g.server.Log().Close()
	}
}

// eachEngine runs a test on every engine.
func eachEngine(t *testing.T, test func(t *testing.T, o option)) {
	for _, name := range server.Engines() {
		t.Run(name, func(t *testing.T) { test(t, engine(name)) })
	}
}

// dial connects to the listener.
func (g *gateway) dial() *net.TCPConn {
	g.t.Helper()
	c, err := net.Dial("tcp", g.addr)
	check(g.t, err)
	g.t.Cleanup(func() { _ = c.Close() })
	check(g.t, c.SetDeadline(time.Now().Add(patience)))
	return c.(*net.TCPConn)
}

// closed waits for the Closed event of a peer.
func (g *gateway) closed(s *event.Subscription) event.Connection {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		events, err := s.Next(ctx, nil)
		check(g.t, err)
		for i := range events {
			if events[i].Type == event.Closed {
				return events[i].Conn
			}
		}
	}
}

func (g *gateway) follow(types ...event.Type) *event.Subscription {
	g.t.Helper()
	o := event.Options{After: "0"}
	for _, t := range types {
		o.Types = o.Types.With(t)
	}
	s, err := g.server.Log().Subscribe(o)
	check(g.t, err)
	g.t.Cleanup(s.Close)
	return s
}

// await waits until a condition holds.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); !ok(); <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s in vain: %s", patience, what)
		}
	}
}

// delivery is a copy of a delivery that a program got.
type delivery struct {
	lane.Delivery
	data string
}

// program is an instance with one lane, which does with each delivery what do says, in its own goroutine.
type program struct {
	*lane.Lane
	gateway *gateway
	running sync.WaitGroup
	cancel  context.CancelFunc
}

// attach opens a lane and serves it.
func (g *gateway) attach(hello lane.Hello, do func(p *program, d delivery)) *program {
	g.t.Helper()
	hello.Handler = "test"
	if hello.Instance == "" {
		hello.Instance = "one"
	}
	l, err := g.table.Attach(hello)
	check(g.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	p := &program{Lane: l, gateway: g, cancel: cancel}
	p.running.Go(func() { p.serve(ctx, do) })
	g.t.Cleanup(func() { p.end() })
	return p
}

func (p *program) serve(ctx context.Context, do func(p *program, d delivery)) {
	var got []delivery
	for {
		got = got[:0]
		err := p.Next(ctx, func(d *lane.Delivery) {
			c := delivery{Delivery: *d, data: string(d.Data)}
			c.Data = nil
			got = append(got, c)
		})
		if err != nil {
			return
		}
		p.Heard()
		for _, d := range got {
			do(p, d)
		}
	}
}

// end ends the program as a crash does.
func (p *program) end() {
	p.Detach(lane.Cause{Text: "the test ends the program"})
	p.cancel()
	p.running.Wait()
}

// do carries out a command that must be valid.
func (p *program) do(c lane.Command) {
	if err := p.Do(&c); err != nil {
		p.gateway.t.Errorf("command %+v: %v", c, err)
	}
}

// echo answers data with the same bytes, and an end with a close.
func echo(p *program, d delivery) {
	switch d.Kind {
	case lane.Opened:
		p.do(lane.Command{Connection: d.Connection})
	case lane.Data:
		p.do(lane.Command{Connection: d.Connection, Data: []byte(d.data), Acknowledged: d.Position})
	case lane.Ended:
		p.do(lane.Command{Connection: d.Connection, Close: true})
	}
}

// mute takes deliveries and sends no command but the first.
func mute(p *program, d delivery) {
	if d.Kind == lane.Opened {
		p.do(lane.Command{Connection: d.Connection})
	}
}

// expect reads exactly these bytes.
func expect(t testing.TB, c net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("%.100q, %v; expected %.100q", got[:n], err, want)
	}
}

// expectEnd reads to the end of the stream, which must have no byte more.
func expectEnd(t testing.TB, c net.Conn) {
	t.Helper()
	rest, err := io.ReadAll(c)
	if err != nil && !errors.Is(err, net.ErrClosed) || len(rest) > 0 {
		t.Fatalf("%.100q, %v; expected the end", rest, err)
	}
}

func say(t testing.TB, c net.Conn, format string, arguments ...any) {
	t.Helper()
	if _, err := fmt.Fprintf(c, format, arguments...); err != nil {
		t.Fatal(err)
	}
}
