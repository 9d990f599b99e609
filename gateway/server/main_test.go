package server_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/handler"
	"github.com/sockgate/sockgate/gateway/server"
)

func TestMain(m *testing.M) {
	if os.Getenv(fewDescriptors) != "" {
		os.Exit(serveWithFewDescriptors())
	}
	goleak.VerifyTestMain(m)
}

// engines lists the engines that the conformance suite runs on.
var engines = server.Engines()

// safety ends a test that waits in vain.
const safety = time.Minute

// scaled returns the amount of work of a test: less by default, and full when LONG_TESTS is set, as in CI.
func scaled(less, full int) int {
	if os.Getenv("LONG_TESTS") != "" {
		return full
	}
	return less
}

// gateway is a running server under test.
type gateway struct {
	*server.Server
	t      *testing.T
	served chan error
	done   bool
}

// start runs a server. The end of the test stops it and audits its event log and totals.
func start(t *testing.T, config server.Config) *gateway {
	t.Helper()
	return startOn(t, "", config)
}

// startOn does the work of start on an engine; "" is the default one.
func startOn(t *testing.T, engine string, config server.Config) *gateway {
	t.Helper()
	config.Engine = engine
	if config.Node == "" {
		config.Node = "test"
	}
	if config.Listeners == nil {
		config.Listeners = []server.ListenerConfig{{Name: "main", Address: "127.0.0.1:0"}}
	}
	if config.Handler == nil {
		config.Handler = handler.Echo{}
	}
	s, err := server.New(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	g := &gateway{Server: s, t: t, served: make(chan error, 1)}
	go func() { g.served <- s.Serve(context.Background()) }()
	t.Cleanup(func() {
		g.stop()
		g.audit()
	})
	return g
}

// each runs a conformance test on every engine.
func each(t *testing.T, test func(t *testing.T, engine string)) {
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) { test(t, engine) })
	}
}

// stop closes the remaining connections and waits for Serve.
func (g *gateway) stop() {
	g.t.Helper()
	if g.done {
		return
	}
	g.done = true
	for _, c := range g.list(server.ListRequest{}) {
		g.abort(c.ID())
	}
	g.StartDrain(server.DrainRequest{Reason: "the test is over"})
	if err := g.wait(); err != nil {
		g.t.Errorf("Serve: %v", err)
	}
}

// abort kicks a connection with almost no flush.
func (g *gateway) abort(id string) {
	if _, err := g.Kick(context.Background(), server.KickRequest{Targets: server.IDs(id),
		Flush: time.Millisecond}); err != nil {
		g.t.Error(err)
	}
}

func (g *gateway) wait() error {
	g.t.Helper()
	g.done = true
	select {
	case err := <-g.served:
		return err
	case <-time.After(safety):
		g.t.Fatal("Serve does not end")
		return nil
	}
}

func (g *gateway) info() server.GatewayInfo {
	info := g.Gateway()
	return info
}

func (g *gateway) addr() string { return g.info().Listeners[0].Address }

// dial connects a client.
func (g *gateway) dial() *net.TCPConn {
	g.t.Helper()
	c, err := net.Dial("tcp", g.addr())
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(safety)); err != nil {
		g.t.Fatal(err)
	}
	return c.(*net.TCPConn)
}

// peer is a client together with the ID of its connection.
type peer struct {
	*net.TCPConn
	id string
}

// open connects a client. It waits for the CONNECTED event, and until the kernel is tried for sends at once.
func (g *gateway) open() peer {
	g.t.Helper()
	f := g.follow(event.Connected)
	defer f.sub.Close()
	c := g.dial()
	local := c.LocalAddr().(*net.TCPAddr).AddrPort()
	e := f.await("CONNECTED", func(e *event.Event) bool {
		return e.Conn.Remote == netip.AddrPortFrom(local.Addr().Unmap(), local.Port())
	})
	for !g.Opened(e.Conn.ID()) {
		runtime.Gosched()
	}
	return peer{TCPConn: c, id: e.Conn.ID()}
}

func (g *gateway) get(id string) server.Connection {
	g.t.Helper()
	info, err := g.Get(id)
	if err != nil {
		g.t.Fatal(err)
	}
	return info
}

func (g *gateway) send(id string, data []byte, wait time.Duration) server.SendResult {
	g.t.Helper()
	r, err := g.Send(g.t.Context(), server.SendRequest{ID: id, Data: data, Wait: wait})
	if err != nil {
		g.t.Fatal(err)
	}
	return r
}

// stuff sends until the kernel takes no more for a peer that does not read, and some bytes are queued. It returns the
// number of accepted bytes.
func (g *gateway) stuff(id string) (n int) {
	g.t.Helper()
	p := make([]byte, 64<<10)
	for {
		switch r := g.send(id, p, 0); r.Outcome {
		case server.OutcomeWritten:
			n += len(p)
		case server.OutcomeQueued: // the kernel may only have been busy
			n += len(p)
			if g.send(id, p, 50*time.Millisecond).Outcome == server.OutcomeQueued {
				return n + len(p)
			}
			n += len(p)
		default:
			g.t.Fatalf("Send: %s", r.Outcome)
		}
	}
}

// list returns all rows of a walk.
func (g *gateway) list(r server.ListRequest) []server.Connection {
	g.t.Helper()
	if r.Limit == 0 {
		r.Limit = 1000
	}
	var all []server.Connection
	for {
		page, err := g.List(context.Background(), r)
		if err != nil {
			g.t.Fatal(err)
		}
		all = append(all, page.Connections...)
		if r.After = page.Next; page.Next == 0 {
			return all
		}
	}
}

// follower reads events.
type follower struct {
	t   *testing.T
	sub *event.Subscription
	got []event.Event
}

// follow subscribes to events from now on.
func (g *gateway) follow(types ...event.Type) *follower { return g.followFrom("", types...) }

func (g *gateway) followFrom(after string, types ...event.Type) *follower {
	g.t.Helper()
	var set event.Types
	for _, t := range types {
		set = set.With(t)
	}
	sub, err := g.Subscribe(server.SubscribeRequest{Types: set, After: after})
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(sub.Close)
	return &follower{t: g.t, sub: sub}
}

// await returns the next event that ok accepts.
func (f *follower) await(what string, ok func(*event.Event) bool) event.Event {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), safety)
	defer cancel()
	for {
		for len(f.got) > 0 {
			e := f.got[0]
			f.got = f.got[1:]
			if ok(&e) {
				return e
			}
		}
		var err error
		if f.got, err = f.sub.Next(ctx, nil); err != nil {
			f.t.Fatalf("waited in vain for %s: %v", what, err)
		}
	}
}

// awaitType returns the next event of a type, about the connection with the ID or, with "", about any.
func (f *follower) awaitType(t event.Type, id string) event.Event {
	f.t.Helper()
	return f.await(t.String(), func(e *event.Event) bool {
		return e.Type == t && (id == "" || e.Conn.Identity != nil && e.Conn.ID() == id)
	})
}

// settle waits until n connections are live. A connection makes room for another just after its CLOSED event.
func (g *gateway) settle(n int) {
	g.t.Helper()
	for limit := time.Now().Add(safety); g.info().Totals.Connections != n; runtime.Gosched() {
		if time.Now().After(limit) {
			g.t.Fatalf("%d connections are live; waited in vain for %d", g.info().Totals.Connections, n)
		}
	}
}

// match is a Matcher made of a function.
type match func(*server.Connection) bool

func (m match) MatchAt(i *server.Connection, _ time.Time) bool { return m(i) }
func (m match) String() string                                 { return "test" }

func everything(*server.Connection) bool { return true }

func mustWrite(t *testing.T, c io.Writer, p []byte) {
	t.Helper()
	if _, err := c.Write(p); err != nil {
		t.Fatal(err)
	}
}

// mustRead reads exactly the expected bytes.
func mustRead(t *testing.T, c io.Reader, want string) {
	t.Helper()
	p := make([]byte, len(want))
	if n, err := io.ReadFull(c, p); err != nil || string(p) != want {
		t.Fatalf("read %q, %v; expected %q", p[:n], err, want)
	}
}

// mustEnd reads to the end and checks that no byte is left.
func mustEnd(t *testing.T, c io.Reader) {
	t.Helper()
	if p, err := io.ReadAll(c); err != nil || len(p) > 0 {
		t.Fatalf("read %q, %v; expected the end", p, err)
	}
}

// events returns all kept events.
func (g *gateway) events() []event.Event {
	g.t.Helper()
	f := g.followFrom("0")
	defer f.sub.Close()
	var all []event.Event
	for {
		batch := f.sub.Poll(nil)
		if len(batch) == 0 {
			return all
		}
		all = append(all, batch...)
	}
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
