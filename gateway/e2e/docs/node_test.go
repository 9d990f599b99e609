package docs

import (
	"bufio"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"

	"github.com/sockgate/sockgate/gateway/e2e/internal/program"
	"github.com/sockgate/sockgate/gateway/gatewaytest"
	"github.com/sockgate/sockgate/gateway/handler"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// requireNode skips the test where Node.js is missing, or fails it when REQUIRE_NODE is set, as in CI.
func requireNode(t *testing.T, programs ...string) {
	t.Helper()
	program.Require(t, "REQUIRE_NODE", append(programs, "node")...)
}

func portOf(t *testing.T, address string) string {
	t.Helper()
	_, p, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// sameLines compares outputs whose lines may come in any order.
func sameLines(t *testing.T, got, want string) {
	t.Helper()
	g, w := sorted(strings.Split(strings.TrimSpace(got), "\n")), sorted(strings.Split(strings.TrimSpace(want), "\n"))
	if strings.Join(g, "\n") != strings.Join(w, "\n") {
		t.Errorf("got:\n%s\n\nwant, in any order:\n%s", strings.Join(g, "\n"), strings.Join(w, "\n"))
	}
}

// TestNodeClients runs Node's named clients against the gateway, and checks their output and the list of connections.
func TestNodeClients(t *testing.T) {
	t.Parallel()
	requireNode(t)
	g := gatewaytest.Start(t, func(c *server.Config) { c.Handler = handler.Echo{Prefix: []byte("Sending: ")} })
	sameLines(t, program.Run(t, "testdata", "node", "named_clients.js", portOf(t, g.Addr)), `
Dwarves connect as asked
Dwarves timeout "Sending: More Axes"
Dwarves end
Dwarves close hadError=false read=18 written=9
Elves connect as asked
Elves timeout "Sending: More Arrows"
Elves end
Elves close hadError=false read=20 written=11
Hobbits connect as asked
Hobbits timeout "Sending: Más hierba €"
Hobbits end
Hobbits close hadError=false read=24 written=15`)

	reply, err := g.Client.ListConnections(t.Context(),
		&pb.ListConnectionsRequest{State: pb.ListState_LIST_STATE_ALL})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range reply.GetConnections() {
		if c.GetBytesSent() != c.GetBytesReceived()+9 || !strings.HasPrefix(c.GetRemoteAddress(), "127.0.0.1:") {
			t.Errorf("connection %v: expected 9 bytes more sent than received, and a real remote address", c)
		}
	}
}

// TestNodeBulk sends 32 MiB from Node through the gateway and back, with half-close and back-pressure.
func TestNodeBulk(t *testing.T) {
	t.Parallel()
	requireNode(t)
	g := gatewaytest.Start(t)
	got := strings.TrimSpace(program.Run(t, "testdata", "node", "bulk_client.js", portOf(t, g.Addr), "32"))
	if want := "identical=true drained=true read=33554432"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestDialANodeServer runs `ctl dial` with three names against a Node.js server that splits characters and times out.
func TestDialANodeServer(t *testing.T) {
	t.Parallel()
	requireNode(t)
	node := exec.CommandContext(t.Context(), "node", "testdata/echo_server.js")
	stdin, err1 := node.StdinPipe()
	stdout, err2 := node.StdoutPipe()
	if err1 != nil || err2 != nil || node.Start() != nil {
		t.Fatal("the Node.js server did not start")
	}
	defer func() { _ = stdin.Close(); _ = node.Wait() }() // it ends with its input
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil && err != io.EOF {
		t.Fatal(err)
	}
	address := "127.0.0.1:" + strings.TrimSpace(line)
	out := program.Run(t, ".", program.Build(t, program.Ctl), "dial", "--name", "Dwarves", "--name", "Elves", "--name",
		"Hobbits", "--send", "More Axes", "--send", "More Arrows", "--send", "More Pipe Weed", "--timeout", "100ms", address)
	for _, want := range []string{
		"Dwarves connected local=127.0.0.1:", "Elves connected", "Hobbits connected",
		"Dwarves timeout", "Elves timeout", "Hobbits timeout",
		"Dwarves end", "Elves end", "Hobbits end",
		"Dwarves close received=22 sent=9", "Elves close received=24 sent=11", "Hobbits close received=27 sent=14",
		`€`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("ctl dial did not print %q; it printed:\n%s", want, out)
		}
	}
	if strings.Contains(out, "\uFFFD") {
		t.Errorf("a character that was split over two packets was not put together:\n%s", out)
	}
}
