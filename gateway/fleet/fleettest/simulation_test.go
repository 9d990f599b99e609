package fleettest_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet"
	"github.com/sockgate/sockgate/gateway/fleet/fleettest"
	"github.com/sockgate/sockgate/gateway/handler"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// simulated is a node whose connections exist in memory only, without sockets. Everything above them is real: the
// control plane's encoding and validation, the fleet, the event log.
type simulated struct {
	*server.Server // gives its name and event log, and does not serve
	node           *fleet.Node
	listener       *event.Listener
	conns          []simulatedConn
}

// simulatedConn is a connection without a socket.
type simulatedConn struct {
	event.Identity
	sent atomic.Uint64 // in bytes
}

// Live returns the number of connections.
func (s *simulated) Live() int { return len(s.conns) }

// info describes a connection as of now.
func (s *simulated) info(i int) server.Connection {
	c := &s.conns[i]
	return server.Connection{Identity: &c.Identity, LastActiveAt: c.ConnectedAt, BytesReceived: 4096,
		BytesSent: c.sent.Load(),
		State:     event.StateOpen}
}

// List returns a page of connections.
func (s *simulated) List(_ context.Context, r server.ListRequest) (server.ListPage, error) {
	page := server.ListPage{Connections: r.Buffer[:0], Total: len(s.conns), UpTo: uint64(len(s.conns))}
	for seq := r.After + 1; seq <= page.UpTo; seq++ {
		if len(page.Connections) == r.Limit {
			page.Next = seq - 1
			break
		}
		page.Connections = append(page.Connections, s.info(int(seq-1)))
	}
	return page, nil
}

// Count counts all connections. It ignores the filter.
func (s *simulated) Count(context.Context, server.CountRequest) (server.CountResult, error) {
	return server.CountResult{Count: uint64(len(s.conns)), Total: len(s.conns)}, nil
}

// Broadcast adds the bytes to each connection's count.
func (s *simulated) Broadcast(_ context.Context, r server.BroadcastRequest) (server.BroadcastResult, error) {
	for i := range s.conns {
		s.conns[i].sent.Add(uint64(len(r.Data)))
	}
	return server.BroadcastResult{Matched: uint64(len(s.conns)), Written: uint64(len(s.conns))}, nil
}

// happen publishes n ENDED events.
func (s *simulated) happen(n int) {
	for i := range n {
		s.Log().Append(&event.Event{Type: event.Ended, Conn: s.info(i % len(s.conns))})
	}
}

// simulation is a fleet of simulated nodes in one process, over the loopback bus, and a client of the first node.
type simulation struct {
	loop   *fleettest.Loopback
	nodes  []*simulated
	client pb.GatewayServiceClient
}

// newSimulation starts a simulation. It ends with the test.
func newSimulation(t testing.TB, nodes, conns int) *simulation {
	t.Helper()
	s := &simulation{loop: fleettest.NewLoopback()}
	var joining sync.WaitGroup
	for i := range nodes {
		n, plane := newSimulated(t, s.loop, fmt.Sprintf("node-%03d", i), conns)
		s.nodes = append(s.nodes, n)
		joining.Go(func() {
			if err := n.node.Join(t.Context()); err != nil {
				t.Error(err)
			}
		})
		if i == 0 {
			s.serve(t, plane)
		}
	}
	joining.Wait()
	for known := 0; known < nodes; {
		r, err := s.client.ListNodes(t.Context(), &pb.ListNodesRequest{})
		if err != nil {
			t.Fatal(err)
		}
		known = int(r.GetFleet().GetAnswered())
	}
	return s
}

func newSimulated(t testing.TB, loop *fleettest.Loopback, name string, conns int) (*simulated, *control.Server) {
	t.Helper()
	main := server.ListenerConfig{Name: "main", Address: "127.0.0.1:0"}
	gateway, err := server.New(server.Config{Node: name, Listeners: []server.ListenerConfig{main},
		Handler: handler.Echo{}, EventLogSize: 8192})
	if err != nil {
		t.Fatal(err)
	}
	n := &simulated{Server: gateway, listener: &event.Listener{Name: "main"}, conns: make([]simulatedConn, conns)}
	origin, now := gateway.Cursor().Origin, time.Now()
	for i := range n.conns {
		n.conns[i].Identity = event.Identity{Origin: &origin, Listener: n.listener, Seq: uint64(i + 1), ConnectedAt: now,
			Remote: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 50000),
			Local:  netip.MustParseAddrPort("192.0.2.1:8017")}
	}
	local := control.NewLocal(n, control.Config{})
	if n.node, err = fleet.New(fleet.Config{Fleet: "simulation", Bus: loop.Bus(name), Self: n, Local: local}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		gateway.Log().Close()
		n.node.Leave()
	})
	return n, control.NewInFleet(local, n.node)
}

// serve serves a node's control plane, and makes the client for it.
func (s *simulation) serve(t testing.TB, plane *control.Server) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	s.client = pb.NewGatewayServiceClient(conn)
	var serving sync.WaitGroup
	serving.Go(func() { _ = plane.Serve(listener) })
	t.Cleanup(func() {
		_ = conn.Close()
		plane.Stop(context.Background())
		serving.Wait()
	})
}

// connections returns the number of connections of all nodes.
func (s *simulation) connections() (n int) {
	for _, node := range s.nodes {
		n += node.Live()
	}
	return n
}

// broadcast broadcasts once. It fails unless the data was sent to every connection.
func (s *simulation) broadcast(t testing.TB, data []byte) {
	r, err := s.client.Broadcast(t.Context(), &pb.BroadcastRequest{Data: data})
	if err != nil || int(r.GetWritten()) != s.connections() || !r.GetFleet().GetComplete() {
		t.Fatalf("%v, %v; expected %d written", r, err, s.connections())
	}
}

// events follows the fleet. The function that it returns waits until n more events have come.
func (s *simulation) events(t testing.TB) (more func(n int)) {
	t.Helper()
	ended := []pb.EventType{pb.EventType_EVENT_TYPE_ENDED}
	stream, err := s.client.StreamEvents(t.Context(), &pb.StreamEventsRequest{Types: ended})
	if err == nil {
		_, err = stream.Header()
	}
	if err != nil {
		t.Fatal(err)
	}
	came := 0
	return func(n int) {
		for n -= came; n > 0; {
			r, err := stream.Recv()
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range r.GetEvents() {
				if e.GetType() == pb.EventType_EVENT_TYPE_GAP {
					t.Fatalf("a gap: %v", e)
				}
			}
			n -= len(r.GetEvents())
		}
		came = -n
	}
}

// TestSimulation checks that the benchmarks measure the operations in their names.
func TestSimulation(t *testing.T) {
	s := newSimulation(t, 5, 250)
	more := s.events(t)
	seen := make(map[string]bool)
	for token := "first"; token != ""; {
		r, err := s.client.ListConnections(t.Context(), &pb.ListConnectionsRequest{PageSize: 100, PageToken: trim(token)})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range r.GetConnections() {
			seen[c.GetId()] = true
		}
		token = r.GetNextPageToken()
	}
	if len(seen) != 1250 {
		t.Errorf("%d connections are listed; expected 1250", len(seen))
	}
	s.broadcast(t, []byte("12345"))
	for _, n := range s.nodes {
		for i := range n.conns {
			if got := n.conns[i].sent.Load(); got != 5 {
				t.Fatalf("a connection was sent %d bytes; expected 5", got)
			}
		}
		n.happen(300)
	}
	more(1500)
}

// trim returns "" for the token of the first page.
func trim(token string) string {
	if token == "first" {
		return ""
	}
	return token
}

// Size of the fleet in the benchmarks.
const (
	manyNodes = 100
	manyConns = 10_000 // on each node
)

// BenchmarkSimulationListPage walks through a million connections on a hundred nodes, in pages of a thousand rows.
func BenchmarkSimulationListPage(b *testing.B) {
	s := newSimulation(b, manyNodes, manyConns)
	token, rows := "", 0
	for b.Loop() {
		r, err := s.client.ListConnections(b.Context(), &pb.ListConnectionsRequest{PageSize: 1000, PageToken: token})
		if err != nil || len(r.GetConnections()) == 0 || !r.GetFleet().GetComplete() {
			b.Fatalf("%d rows, %v, %v", len(r.GetConnections()), r.GetFleet(), err)
		}
		token, rows = r.GetNextPageToken(), rows+len(r.GetConnections())
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkSimulationCount counts a million connections on a hundred nodes.
func BenchmarkSimulationCount(b *testing.B) {
	s := newSimulation(b, manyNodes, manyConns)
	for b.Loop() {
		r, err := s.client.CountConnections(b.Context(), &pb.CountConnectionsRequest{})
		if err != nil || int(r.GetCount()) != s.connections() {
			b.Fatalf("%v, %v", r, err)
		}
	}
}

// BenchmarkSimulationBroadcast broadcasts 64 bytes to a million connections on a hundred nodes.
func BenchmarkSimulationBroadcast(b *testing.B) {
	s := newSimulation(b, manyNodes, manyConns)
	data := make([]byte, 64)
	for b.Loop() {
		s.broadcast(b, data)
	}
	b.ReportMetric(float64(b.N*s.connections())/b.Elapsed().Seconds(), "conns/s")
}

// BenchmarkSimulationEvents follows a hundred nodes with one call. An op is 64 events on each.
func BenchmarkSimulationEvents(b *testing.B) {
	const each = 64
	s := newSimulation(b, manyNodes, manyConns)
	more := s.events(b)
	for b.Loop() {
		for _, n := range s.nodes {
			n.happen(each)
		}
		more(each * len(s.nodes))
	}
	b.ReportMetric(float64(b.N*each*len(s.nodes))/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkSimulationIdle measures the cost of a hundred idle nodes, which only send heartbeats. An op is ten seconds.
// The cost includes the bus, which runs in the same process.
func BenchmarkSimulationIdle(b *testing.B) {
	s := newSimulation(b, manyNodes, manyConns)
	var messages, bytes atomic.Int64
	s.loop.Spy(func(_, _ string, data []byte) {
		messages.Add(1)
		bytes.Add(int64(len(data)))
	})
	used := processor(b)
	for b.Loop() {
		<-time.After(10 * time.Second)
	}
	seconds := b.Elapsed().Seconds()
	b.ReportMetric(1000*(processor(b)-used).Seconds()/seconds, "cpu-ms/s")
	b.ReportMetric(float64(messages.Load())/seconds, "messages/s")
	b.ReportMetric(float64(bytes.Load())/seconds, "B/s")
}

// processor returns the processor time that the process has used.
func processor(t testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
