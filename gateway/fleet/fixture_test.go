package fleet_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
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

// patience is how long anything may take before a test gives up. No passing test waits that long.
const patience = 30 * time.Second

func patiently(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// gate is a whole gateway in a fleet: data plane, control plane, node.
type gate struct {
	name   string
	addr   string // of the data plane
	client pb.GatewayServiceClient
	server *server.Server
	node   *fleet.Node
	bus    *fleettest.LoopbackBus
	stop   func() // kills it without a word to the others
}

// start runs a gateway in a fleet over a loopback bus. It ends with the test.
func start(t testing.TB, loop *fleettest.Loopback, name string, change ...func(*fleet.Config)) *gate {
	t.Helper()
	g := run(t, loop, name, change...)
	check(t, g.node.Join(patiently(t)))
	return g
}

// run runs a gateway that has not joined its fleet yet.
func run(t testing.TB, loop *fleettest.Loopback, name string, change ...func(*fleet.Config)) *gate {
	t.Helper()
	s, err := server.New(server.Config{Node: name, Listeners: []server.ListenerConfig{{Name: "main",
		Address: "127.0.0.1:0"}}, Handler: handler.Echo{}})
	check(t, err)
	check(t, s.Listen())
	g := &gate{name: name, server: s, bus: loop.Bus(name)}
	local := control.NewLocal(s, control.Config{})
	config := fleet.Config{Fleet: "test", Version: "v-" + name, Bus: g.bus, Self: s, Local: local}
	for _, f := range change {
		f(&config)
	}
	g.node, err = fleet.New(config)
	check(t, err)
	plane := control.NewInFleet(local, g.node)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(t, err)
	g.client = pb.NewGatewayServiceClient(conn)
	info := s.Gateway()
	g.addr = info.Listeners[0].Address
	var serving sync.WaitGroup
	serving.Go(func() { _ = plane.Serve(listener) })
	serving.Go(func() {
		_ = s.Serve(context.Background())
		s.Log().Close()
	})
	g.stop = sync.OnceFunc(func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		_ = s.Shutdown(now)
		plane.Stop(now)
		g.node.Leave()
		serving.Wait()
		_ = conn.Close()
	})
	t.Cleanup(g.stop)
	return g
}

// startFleet runs gateways that know each other.
func startFleet(t testing.TB, loop *fleettest.Loopback, names ...string) []*gate {
	t.Helper()
	gates, failures := make([]*gate, len(names)), make([]error, len(names))
	ctx := patiently(t)
	var joining sync.WaitGroup
	for i, name := range names {
		gates[i] = run(t, loop, name)
		joining.Go(func() { failures[i] = gates[i].node.Join(ctx) })
	}
	joining.Wait()
	check(t, errors.Join(failures...))
	settle(t, gates...)
	return gates
}

// settle waits until the gateways know each other.
func settle(t testing.TB, gates ...*gate) {
	t.Helper()
	for _, g := range gates {
		eventually(t, g.name+" knows all", func() bool {
			r, err := g.client.ListNodes(patiently(t), &pb.ListNodesRequest{Scope: &pb.Scope{Local: true}})
			check(t, err)
			live := 0
			for _, n := range r.GetNodes() {
				if n.GetState() == pb.NodeState_NODE_STATE_LIVE {
					live++
				}
			}
			return live >= len(gates)
		})
	}
}

// connect opens connections. It returns their IDs in order once the gateway lists them all.
func (g *gate) connect(t testing.TB, n int) (conns []net.Conn, ids []string) {
	t.Helper()
	before := g.server.Live()
	for range n {
		c, err := net.Dial("tcp", g.addr)
		check(t, err)
		t.Cleanup(func() { _ = c.Close() })
		conns = append(conns, c)
	}
	eventually(t, "all are connected", func() bool { return g.server.Live() == before+n })
	all := g.localIDs(t)
	return conns, all[len(all)-n:]
}

// localIDs lists the connections of a gateway itself.
func (g *gate) localIDs(t testing.TB) []string {
	t.Helper()
	ids, results := g.list(t, &pb.ListConnectionsRequest{PageSize: 1000, Scope: &pb.Scope{Local: true}})
	if len(results) != 1 || results[0].GetNode() != g.name {
		t.Errorf("local: %v", results)
	}
	return ids
}

// list reads all pages of a walk. It returns the IDs and the results of the nodes.
func (g *gate) list(t testing.TB, r *pb.ListConnectionsRequest) (ids []string, results []*pb.NodeResult) {
	t.Helper()
	for {
		page, err := g.client.ListConnections(patiently(t), r)
		check(t, err)
		for _, c := range page.GetConnections() {
			ids = append(ids, c.GetId())
		}
		results = append(results, page.GetFleet().GetNodes()...)
		if r.PageToken = page.GetNextPageToken(); r.PageToken == "" {
			return ids, results
		}
	}
}

// union merges the local lists of gateways in the order of a fleet's list.
func union(t testing.TB, gates []*gate) []string {
	sorted := slices.Clone(gates)
	slices.SortFunc(sorted, func(a, b *gate) int {
		if a.name < b.name {
			return -1
		}
		return 1
	})
	var all []string
	for _, g := range sorted {
		all = append(all, g.localIDs(t)...)
	}
	return all
}

// controls returns the CONTROL events that a gateway has recorded.
func (g *gate) controls(t testing.TB) []*event.ControlDetail {
	sub, err := g.server.Subscribe(server.SubscribeRequest{After: "0", Types: event.Types(0).With(event.Control)})
	check(t, err)
	defer sub.Close()
	var all []*event.ControlDetail
	for _, e := range sub.Poll(nil) {
		all = append(all, e.Detail.(*event.ControlDetail))
	}
	return all
}
