package daemon_test

import (
	"bytes"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/daemon"
	"github.com/sockgate/sockgate/gateway/fleet/fleettest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// states returns the states of the nodes that a gateway knows, without asking the others.
func (i *instance) states() map[string]pb.NodeState {
	i.t.Helper()
	r, err := i.client.ListNodes(patiently(i.t), &pb.ListNodesRequest{Scope: &pb.Scope{Local: true}})
	check(i.t, err)
	states := make(map[string]pb.NodeState)
	for _, n := range r.GetNodes() {
		states[n.GetName()] = n.GetState()
	}
	return states
}

// awaitStates waits until a gateway sees the nodes in these states.
func (i *instance) awaitStates(want map[string]pb.NodeState) {
	i.t.Helper()
	for deadline := time.Now().Add(patience); !maps.Equal(i.states(), want); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			i.t.Fatalf("the nodes are %v; expected %v", i.states(), want)
		}
	}
}

// TestFleet runs three gateways with embedded servers. Each of them answers for all: it lists all connections, kicks
// those of others, and sees a node leave once that node has drained.
func TestFleet(t *testing.T) {
	t.Parallel()
	names, seed := []string{"edge-1", "edge-2", "edge-3"}, free(t)
	live := make(map[string]pb.NodeState)
	var gateways []*inside
	var held []net.Conn
	for n, name := range names {
		listen := seed
		if n > 0 {
			listen = "127.0.0.1:0"
		}
		g := start(t, nil, "--node", name, "--cluster-listen", listen, "--cluster-join", seed)
		gateways, live[name] = append(gateways, g), pb.NodeState_NODE_STATE_LIVE
		for range n + 1 {
			conn := g.dial()
			echo(t, conn, "hello")
			held = append(held, conn)
		}
	}
	want := []string{"edge-1", "edge-2", "edge-2", "edge-3", "edge-3", "edge-3"}
	var ids []string
	for _, g := range gateways {
		g.awaitStates(live)
		var nodes []string
		ids = nil
		for r := new(pb.ListConnectionsResponse); r.GetNextPageToken() != "" || len(nodes) == 0; {
			var err error
			r, err = g.client.ListConnections(patiently(t), &pb.ListConnectionsRequest{PageSize: 2,
				PageToken: r.GetNextPageToken()})
			check(t, err)
			for _, c := range r.GetConnections() {
				nodes, ids = append(nodes, c.GetNode()), append(ids, c.GetId())
			}
			if !r.GetFleet().GetComplete() {
				t.Errorf("%v", r.GetFleet())
			}
		}
		count, err := g.client.CountConnections(patiently(t), &pb.CountConnectionsRequest{})
		check(t, err)
		if f := count.GetFleet(); !slices.Equal(nodes, want) || !f.GetComplete() || f.GetExpected() != 3 ||
			f.GetAnswered() != 3 {
			t.Fatalf("the connections of %q, %v", nodes, f)
		}
		local, err := g.client.ListConnections(patiently(t), &pb.ListConnectionsRequest{Scope: &pb.Scope{Local: true}})
		check(t, err)
		if len(local.GetConnections()) >= len(want) {
			t.Errorf("%d connections of one node", len(local.GetConnections()))
		}
	}
	r, err := gateways[0].client.Kick(patiently(t), &pb.KickRequest{ConnectionIds: ids[5:]})
	check(t, err)
	if r.GetKicked() != 1 || len(r.GetOutcomes()) != 1 {
		t.Errorf("%v", r)
	}
	if _, err := held[5].Read(make([]byte, 1)); err == nil {
		t.Error("what was kicked by way of another node is still there")
	}
	check(t, held[5].Close())

	for _, conn := range held[:5] {
		check(t, conn.Close())
	}
	gateways[2].signals <- syscall.SIGTERM
	if code := gateways[2].exit(); code != 0 {
		t.Errorf("exit %d", code)
	}
	live["edge-3"] = pb.NodeState_NODE_STATE_LEFT
	for _, g := range gateways[:2] {
		g.awaitStates(live)
	}
	for _, g := range gateways[:2] {
		g.signals <- syscall.SIGTERM
		if code := g.exit(); code != 0 {
			t.Errorf("exit %d", code)
		}
	}
}

// runUntilEnd runs the daemon in this goroutine until it ends by itself.
func runUntilEnd(t testing.TB, log *journal, args ...string) (code int, stdout string) {
	var out bytes.Buffer
	return daemon.Run(patiently(t), daemon.Process{Args: args, Stdout: &out, Stderr: log}), out.String()
}

// TestOpenFleetBesideClosedControl checks the warning of a gateway whose callers must prove an identity while its
// fleet's nodes need not.
func TestOpenFleetBesideClosedControl(t *testing.T) {
	t.Parallel()
	tokens := filepath.Join(t.TempDir(), "tokens")
	check(t, os.WriteFile(tokens, []byte(tokenLine("vic", "viewer", viewerToken)), 0o600))
	cluster, nats := []string{"--cluster-listen", "127.0.0.1:0"}, "nats://127.0.0.1:"+strings.Split(free(t), ":")[1]
	required := []string{"--control-auth", "required"}
	for _, c := range []struct {
		flags []string
		warns int
	}{
		{slices.Concat(cluster, required), 1},
		{slices.Concat([]string{"--nats-url", nats}, required), 1},
		{cluster, 0},
		{required, 0},
		{slices.Concat([]string{"--nats-url", strings.Replace(nats, "//", "//edge-1:secret@", 1)}, required), 0},
	} {
		g := start(t, nil, append(c.flags, "--control-token-file", tokens)...)
		if got := strings.Count(strings.Join(g.lines, ""), "every program on this machine can be a node"); got != c.warns {
			t.Errorf("%v: warned %d times; expected %d", c.flags, got, c.warns)
		}
	}
}

// TestTwin checks that a gateway does not start if a live node of the fleet has its name. It exits with 1 and a
// sentence, and serves nothing.
func TestTwin(t *testing.T) {
	t.Parallel()
	first := start(t, nil, "--node", "edge-1", "--cluster-listen", "127.0.0.1:0")
	conn := first.dial()
	echo(t, conn, "hello")
	seed := fleetOf(t, first.instance).Address
	log := new(journal)
	code, stdout := runUntilEnd(t, log, "--node", "edge-1", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0",
		"--cluster-listen", "127.0.0.1:0",
		"--cluster-join", seed)
	if code != 1 || stdout != "" || log.count("gateway: a live node of fleet sockgate is named edge-1 already") != 1 ||
		log.count("listening") > 0 {
		t.Errorf("exit %d, stdout %q, log %s", code, stdout, log.text.String())
	}
	echo(t, conn, "still here")
	first.awaitStates(map[string]pb.NodeState{"edge-1": pb.NodeState_NODE_STATE_LIVE})
	check(t, conn.Close())
}

// TestFleetOfOtherServers runs two gateways with a NATS server that starts after them, goes and comes back. They find
// each other by themselves.
func TestFleetOfOtherServers(t *testing.T) {
	t.Parallel()
	address := free(t)
	live := map[string]pb.NodeState{"edge-1": pb.NodeState_NODE_STATE_LIVE, "edge-2": pb.NodeState_NODE_STATE_LIVE}
	var gateways []*inside
	for name := range live {
		g := start(t, nil, "--node", name, "--nats-url", "nats://"+address)
		g.awaitStates(map[string]pb.NodeState{name: pb.NodeState_NODE_STATE_LIVE})
		gateways = append(gateways, g)
	}
	nats := fleettest.StartNATS(t, address)
	for _, g := range gateways {
		g.awaitStates(live)
		r, err := g.client.CountConnections(patiently(t), &pb.CountConnectionsRequest{})
		check(t, err)
		if !r.GetFleet().GetComplete() || r.GetFleet().GetExpected() != 2 {
			t.Errorf("%v", r)
		}
	}
	nats.Stop()
	conn := gateways[0].dial()
	echo(t, conn, "hello")
	gateways[0].awaitLine(t, "no connection to the fleet")
	r, err := gateways[0].client.CountConnections(patiently(t), &pb.CountConnectionsRequest{})
	check(t, err)
	if f := r.GetFleet(); f.GetComplete() || f.GetAnswered() != 1 || f.GetExpected() != 2 {
		t.Errorf("without NATS: %v", r)
	}
	echo(t, conn, "still here")
	check(t, conn.Close())
	nats.Start()
	for _, g := range gateways {
		for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
			r, err := g.client.CountConnections(patiently(t), &pb.CountConnectionsRequest{})
			check(t, err)
			if r.GetFleet().GetComplete() && r.GetFleet().GetExpected() == 2 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("with NATS again: %v", r)
			}
		}
	}
	if n := strings.Count(strings.Join(gateways[0].lines, ""), `"@message":"fleet"`); n != 1 {
		t.Errorf("%d lines about the fleet", n)
	}
}
