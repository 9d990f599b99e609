package remote_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/frame"
	"github.com/sockgate/sockgate/gateway/gatewaytest"
	"github.com/sockgate/sockgate/gateway/lane"
	"github.com/sockgate/sockgate/gateway/remote"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// patience is how long the tests with a real gateway wait for anything.
const patience = 30 * time.Second

// startGateway runs a gateway whose listener cuts lines and gives them to the remote handler `chat`.
func startGateway(t *testing.T) *gatewaytest.Gateway {
	t.Helper()
	table := lane.NewTable()
	lines, err := frame.Parse("line")
	if err != nil {
		t.Fatal(err)
	}
	return gatewaytest.StartControl(t, control.Config{Handlers: table}, insecure.NewCredentials(),
		func(c *server.Config) {
			c.Handler = table.Handler("chat")
			c.Listeners[0].Frame = lines
		})
}

// instance is a program that is attached to a real gateway.
type instance struct {
	conn   *grpc.ClientConn
	cancel context.CancelCauseFunc
	ended  chan error
}

func startInstance(t *testing.T, g *gatewaytest.Gateway, name string, h remote.Handler) *instance {
	t.Helper()
	conn, err := grpc.NewClient(g.Control, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	i := &instance{conn: conn, cancel: cancel, ended: make(chan error, 1)}
	go func() {
		i.ended <- remote.Serve(ctx, conn, remote.Config{Handler: "chat", Instance: name}, h)
	}()
	return i
}

// end ends the program, and waits until it has.
func (i *instance) end(t *testing.T, cause error) {
	t.Helper()
	i.cancel(cause)
	select {
	case err := <-i.ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("Serve does not return")
	}
	_ = i.conn.Close()
}

// TestInstancesComeAndGo holds that peers of a real gateway get each reply exactly once and in order while instances
// drain and are lost, one after another. Each has one lane, and few are lost: the gateway closes a connection that
// loses three lanes at one position.
func TestInstancesComeAndGo(t *testing.T) {
	g := startGateway(t)
	const peers, messages = 8, 2000
	answered := make(chan struct{}, peers*messages)
	for i := range peers {
		conn, err := net.Dial("tcp", g.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(3 * patience))
		go say(conn, i, messages)
		go hear(t, conn, i, messages, answered)
	}
	old := startInstance(t, g, "first", &late{})
	for n := range peers * messages {
		if n%500 == 0 {
			next := startInstance(t, g, fmt.Sprint("next-", n), &late{})
			old.end(t, []error{nil, nil, nil, remote.ErrAbandon}[n/500%4])
			old = next
		}
		select {
		case <-answered:
		case <-time.After(patience):
			t.Fatalf("%d answers", n)
		}
	}
	old.end(t, nil)
}

// say sends numbered lines.
func say(conn net.Conn, peer, messages int) {
	for i := range messages {
		_, _ = fmt.Fprintf(conn, "line %d of peer %d\n", i, peer) // hear finds the ones that are missing
	}
}

// hear expects each line back, without its end.
func hear(t *testing.T, conn net.Conn, peer, messages int, answered chan<- struct{}) {
	answers := bufio.NewReader(conn)
	for i := range messages {
		want := fmt.Sprintf("line %d of peer %d", i, peer)
		got := make([]byte, len(want))
		if _, err := io.ReadFull(answers, got); string(got) != want || err != nil {
			t.Errorf("got %q, %v, expected %q", got, err, want)
			return
		}
		answered <- struct{}{}
	}
}

// TestRealGateway holds that labels, state, idle notices, moves and ends work with a real gateway.
func TestRealGateway(t *testing.T) {
	g := startGateway(t)
	h := newCommander()
	i := startInstance(t, g, "one", h)
	defer i.end(t, nil)
	peer, err := net.Dial("tcp", g.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	_ = peer.SetDeadline(time.Now().Add(patience))
	for _, line := range []string{"label", "idle", "move"} {
		_, _ = io.WriteString(peer, line+"\n")
		mustAnswer(t, peer, line)
	}
	reply, err := g.Client.CountConnections(t.Context(), &pb.CountConnectionsRequest{
		Filter: `labels["a"] == "b" && handler_instance == "one" && unacknowledged_bytes == 0`})
	if err != nil || reply.GetCount() != 1 {
		t.Errorf("%v, %v", reply, err)
	}
	_, _ = io.WriteString(peer, "panic\n")
	if p, err := io.ReadAll(peer); err == nil || len(p) > 0 {
		t.Errorf("behind the panic: %q, %v", p, err)
	}
	for {
		select {
		case call := <-h.calls:
			if strings.HasPrefix(call, "close HANDLER the handler panicked") {
				return
			}
			t.Log(call)
		case <-time.After(patience):
			t.Fatal("no close")
		}
	}
}

func mustAnswer(t *testing.T, peer net.Conn, want string) {
	t.Helper()
	p := make([]byte, len(want))
	if _, err := io.ReadFull(peer, p); err != nil || string(p) != want {
		t.Fatalf("got %q, %v, expected %q", p, err, want)
	}
}

// commander does as the peer says.
type commander struct{ calls chan string }

func newCommander() *commander { return &commander{calls: make(chan string, 100)} }

func (h *commander) Open(c *remote.Conn) {
	h.calls <- fmt.Sprintf("open %v %q", c.Resumed(), c.State())
}
func (h *commander) End(c *remote.Conn)   { c.Close("end") }
func (h *commander) Idle(c *remote.Conn)  { _ = c.Send([]byte("idle")) }
func (h *commander) Moved(c *remote.Conn) { h.calls <- "moved" }

func (h *commander) Close(c *remote.Conn, reason remote.CloseReason) {
	h.calls <- fmt.Sprint("close ", reason, " ", c.CloseText())
}

func (h *commander) Data(c *remote.Conn, p []byte) {
	switch strings.TrimSpace(string(p)) {
	case "label":
		_ = c.SetLabel("a", "b")
		_ = c.SetState([]byte("state"))
	case "idle":
		_ = c.NotifyIdle(true)
		_ = c.SetIdleTimeout(100 * time.Millisecond)
		return
	case "move":
		_ = c.SetIdleTimeout(0)
		_ = c.MoveTo("one")
	case "panic":
		panic("as told")
	}
	_ = c.Send(p)
}
