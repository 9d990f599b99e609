//go:build linux

package fleet

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sockgate/sockgate/gateway/e2e/internal/program"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// gateway is a gateway in a process of its own. Its control plane is on a unix socket, which network namespaces do not
// divide.
type gateway struct {
	*process
	node      string
	namespace string   // of the network it is in; "": the test's
	flags     []string // besides those of every gateway in this package
	environ   []string
	program   string // "": the gateway as it is
	listen    string // where its data plane listens; "": on loopback, any port
	socket    string
	data      string // address of its listener
	client    pb.GatewayServiceClient
	crowd     *crowd // nil: none
}

// sockets numbers the sockets of control planes: each new process has a new one.
var sockets atomic.Int64

// launch runs the gateway, perhaps in its second incarnation, and returns when it answers calls.
func (g *gateway) launch(t testing.TB) {
	t.Helper()
	g.begin(t)
	await(t, g.node+" says where it listens", func() (bool, string) {
		if g.data == "" {
			g.data = g.log.field("listening", "address")
		}
		if !g.running() {
			t.Fatalf("%s has ended: %s", g.node, g.log.text())
		}
		return g.data != "" && g.log.field("control plane listening", "address") != "", "it has not said so"
	})
	conn, err := grpc.NewClient("unix:"+g.socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	g.client = pb.NewGatewayServiceClient(conn)
}

// begin runs the gateway's process.
func (g *gateway) begin(t testing.TB) {
	t.Helper()
	g.socket, g.data = filepath.Join(workshop, fmt.Sprintf("%d.sock", sockets.Add(1))), ""
	path := g.program
	if path == "" {
		path = program.Build(t, program.Gateway)
	}
	g.process = prepare(t, "gateway "+g.node, g.namespace, g.environ, path, append([]string{
		"--node", g.node, "--listen", cmp.Or(g.listen, "127.0.0.1:0"),
		"--control", "unix://" + g.socket, "--log-format", "json", "--drain-timeout", "1s"}, g.flags...)...)
	g.start()
}

// briefly bounds calls that must return within a time that the fleet promises; patience is longer than that.
func briefly(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func local() *pb.Scope { return &pb.Scope{Local: true} }

// within is the scope of all nodes, with so much time to answer.
func within(d time.Duration) *pb.Scope { return &pb.Scope{NodeTimeout: durationpb.New(d)} }

// count counts connections.
func (g *gateway) count(s *pb.Scope) *pb.CountConnectionsResponse {
	g.t.Helper()
	r, err := g.client.CountConnections(briefly(g.t), &pb.CountConnectionsRequest{Scope: s})
	check(g.t, err)
	return r
}

// walk is the content of all pages of a list.
type walk struct {
	rows    []*pb.Connection
	pages   int
	missing []string // nodes that any page reports as not OK, with their status
}

// list walks through all connections.
func (g *gateway) list(s *pb.Scope) (w walk) {
	g.t.Helper()
	r := &pb.ListConnectionsRequest{PageSize: 1000, Scope: s}
	for {
		page, err := g.client.ListConnections(briefly(g.t), r)
		check(g.t, err)
		w.pages++
		w.rows = append(w.rows, page.GetConnections()...)
		w.missing = append(w.missing, missing(page.GetFleet())...)
		if r.PageToken = page.GetNextPageToken(); r.PageToken == "" {
			slices.Sort(w.missing)
			w.missing = slices.Compact(w.missing)
			return w
		}
	}
}

// ids returns the connections' IDs, in their order.
func (w walk) ids() []string {
	ids := make([]string, 0, len(w.rows))
	for _, c := range w.rows {
		ids = append(ids, c.GetId())
	}
	return ids
}

// missing returns `node STATUS` for each node that is not OK, and another entry when the result contradicts itself.
func missing(f *pb.FleetResult) (names []string) {
	answered := 0
	for _, n := range f.GetNodes() {
		if n.GetStatus() != pb.NodeStatus_NODE_STATUS_OK {
			names = append(names, n.GetNode()+" "+word(n.GetStatus()))
		}
		switch n.GetStatus() {
		case pb.NodeStatus_NODE_STATUS_TIMED_OUT, pb.NodeStatus_NODE_STATUS_UNREACHABLE, pb.NodeStatus_NODE_STATUS_LEFT:
		default:
			answered++
		}
	}
	if f != nil && (f.GetComplete() != (len(names) == 0) || int(f.GetExpected()) != len(f.GetNodes()) ||
		int(f.GetAnswered()) != answered) {
		names = append(names, fmt.Sprintf("contradiction: %v", f))
	}
	return names
}

// word is a NodeStatus without its prefix.
func word(s pb.NodeStatus) string { return strings.TrimPrefix(s.String(), "NODE_STATUS_") }

// states returns the nodes of the fleet as this gateway sees them: `name STATE`, in the order of names.
func (g *gateway) states() []string {
	g.t.Helper()
	r, err := g.client.ListNodes(briefly(g.t), &pb.ListNodesRequest{Scope: local()})
	check(g.t, err)
	var all []string
	for _, n := range r.GetNodes() {
		all = append(all, n.GetName()+" "+strings.TrimPrefix(n.GetState().String(), "NODE_STATE_"))
	}
	return all
}

// state returns a node's state as this gateway sees it; "" when the node is not known.
func (g *gateway) state(node string) string {
	g.t.Helper()
	for _, s := range g.states() {
		if name, state, _ := strings.Cut(s, " "); name == node {
			return state
		}
	}
	return ""
}

// info returns the gateway's description of itself.
func (g *gateway) info() *pb.GetGatewayResponse {
	g.t.Helper()
	r, err := g.client.GetGateway(briefly(g.t), &pb.GetGatewayRequest{Scope: local()})
	check(g.t, err)
	return r
}

// connection returns the ID of one client's connection.
func (g *gateway) connection(client int) string {
	g.t.Helper()
	r, err := g.client.ListConnections(briefly(g.t), &pb.ListConnectionsRequest{Scope: local(), PageSize: 1,
		Filter: fmt.Sprintf("remote_address == %q", g.crowd.addresses[client])})
	check(g.t, err)
	if len(r.GetConnections()) != 1 {
		g.t.Fatalf("%s has %d connections of %s", g.node, len(r.GetConnections()), g.crowd.addresses[client])
	}
	return r.GetConnections()[0].GetId()
}

// kick kicks one connection, and returns its outcome without the prefix, and the results of the nodes.
func (g *gateway) kick(id string, s *pb.Scope) (string, *pb.FleetResult) {
	g.t.Helper()
	r, err := g.client.Kick(briefly(g.t), &pb.KickRequest{ConnectionIds: []string{id}, Scope: s, Reason: "the lab",
		FlushTimeout: durationpb.New(time.Millisecond)})
	check(g.t, err)
	if len(r.GetOutcomes()) != 1 || r.GetOutcomes()[0].GetId() != id {
		g.t.Fatalf("kick %s: %v", id, r)
	}
	return outcome(r.GetOutcomes()[0].GetOutcome()), r.GetFleet()
}

// send sends a line to one connection, and returns the outcome without the prefix.
func (g *gateway) send(id, line string, s *pb.Scope) string {
	g.t.Helper()
	r, err := g.client.Send(briefly(g.t), &pb.SendRequest{Id: id, Data: []byte(line + "\n"), Scope: s,
		Wait: pb.SendWait_SEND_WAIT_WRITTEN})
	check(g.t, err)
	return outcome(r.GetOutcome())
}

func outcome(o pb.Outcome) string { return strings.TrimPrefix(o.String(), "OUTCOME_") }

// broadcast sends a line to all connections. The counts of the reply must add up, over the outcomes and over the nodes.
func (g *gateway) broadcast(line string, s *pb.Scope) *pb.BroadcastResponse {
	g.t.Helper()
	r, err := g.client.Broadcast(briefly(g.t), &pb.BroadcastRequest{Data: []byte(line + "\n"), Scope: s})
	check(g.t, err)
	if r.GetMatched() != r.GetWritten()+r.GetQueued()+r.GetDropped()+r.GetClosed() {
		g.t.Errorf("%s: the broadcast of %q does not add up: %v", g.node, line, r)
	}
	var matched uint64
	for _, n := range r.GetFleet().GetNodes() {
		matched += n.GetCounts()["matched"]
	}
	if r.GetFleet() != nil && matched != r.GetMatched() {
		g.t.Errorf("%s: the broadcast of %q matched %d connections, and those of its nodes are %d: %v", g.node, line,
			r.GetMatched(), matched, r)
	}
	return r
}

// incarnation returns the gateway's incarnation, as its log has it.
func (g *gateway) incarnation() string { return g.log.field("listening", "incarnation") }

// marked makes an event on the gateway that every stream has. It returns the sequence of that event, or of another such
// event that came first.
func (g *gateway) marked() uint64 {
	g.t.Helper()
	before := g.info().GetCursor()
	_, err := g.client.SetLabels(briefly(g.t), &pb.SetLabelsRequest{Filter: "false", Remove: []string{"mark"},
		Scope: local()})
	check(g.t, err)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	events, err := g.client.StreamEvents(ctx, &pb.StreamEventsRequest{After: before, Scope: local(),
		Types: []pb.EventType{pb.EventType_EVENT_TYPE_CONTROL}})
	check(g.t, err)
	for {
		batch, err := events.Recv()
		check(g.t, err)
		if len(batch.GetEvents()) > 0 {
			return batch.GetEvents()[0].GetSequence()
		}
	}
}

// reasonOf returns the reason in an error's ErrorInfo; "" when it has none.
func reasonOf(err error) string {
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return ""
}

// head returns the sequence of the newest event.
func (g *gateway) head() uint64 {
	g.t.Helper()
	r, err := g.client.ListNodes(briefly(g.t), &pb.ListNodesRequest{Scope: local()})
	check(g.t, err)
	for _, n := range r.GetNodes() {
		if n.GetSelf() {
			return n.GetEventHead()
		}
	}
	g.t.Fatalf("%s does not know itself: %v", g.node, r)
	return 0
}
