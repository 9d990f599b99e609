package remote_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sockgate/sockgate/gateway/remote"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// dialer connects to fakes by their addresses, and counts.
type dialer struct {
	mu     sync.Mutex
	nodes  map[string]*fake
	dialed []string
	closed int
}

func (d *dialer) dial(_ context.Context, node, address string) (grpc.ClientConnInterface, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dialed = append(d.dialed, node+" "+address)
	f := d.nodes[address]
	if f == nil {
		return nil, errors.New("no gateway is there")
	}
	return &countedConn{f.dial(), d}, nil
}

// countedConn counts its end.
type countedConn struct {
	*grpc.ClientConn
	dialer *dialer
}

func (c *countedConn) Close() error {
	c.dialer.mu.Lock()
	defer c.dialer.mu.Unlock()
	c.dialer.closed++
	return c.ClientConn.Close()
}

// mustHaveDialed checks the dials since the last check, when everything in the bubble rests, and all closes.
func (d *dialer) mustHaveDialed(t *testing.T, closed int, want ...string) {
	t.Helper()
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	slices.Sort(d.dialed)
	if !slices.Equal(d.dialed, want) || d.closed != closed {
		t.Errorf("dialed %q and closed %d, expected %q and %d", d.dialed, d.closed, want, closed)
	}
	d.dialed = nil
}

// greetAs welcomes the next stream as a node.
func (f *fake) greetAs(node string, nodes ...string) *session {
	f.t.Helper()
	s := f.accept()
	s.send(&pb.AttachResponse{Welcome: &pb.Welcome{Node: node, Nodes: list(addresses(nodes))}})
	return s
}

func addresses(nodes []string) (all []*pb.NodeAddress) {
	for _, n := range nodes {
		all = append(all, &pb.NodeAddress{Node: n, Address: n + ":1"})
	}
	return all
}

func nodes(names ...string) *pb.AttachResponse {
	return &pb.AttachResponse{Nodes: &pb.Nodes{Nodes: addresses(names)}}
}

// inFleet runs a test with gateways a, b and c, and a program that knows a.
func inFleet(t *testing.T, c remote.Config, test func(t *testing.T, d *dialer, p *program)) {
	synctest.Test(t, func(t *testing.T) {
		d := &dialer{nodes: make(map[string]*fake)}
		for _, name := range []string{"a:1", "b:1", "c:1"} {
			d.nodes[name] = startFake(t)
			defer d.nodes[name].stop()
		}
		c.Dial = d.dial
		test(t, d, serve(t, d.nodes["a:1"], c, echo{}))
	})
}

// TestFleet holds that the program is attached to every node that nodes name, and leaves those that none names.
func TestFleet(t *testing.T) {
	inFleet(t, remote.Config{Lanes: 2}, func(t *testing.T, d *dialer, p *program) {
		a, b, c := d.nodes["a:1"], d.nodes["b:1"], d.nodes["c:1"]
		seeds := []*session{a.greetAs("a", "a", "b"), a.greetAs("a", "a", "b")}
		lanes := []*session{b.greetAs("b"), b.greetAs("b")}
		d.mustHaveDialed(t, 0, "b b:1")
		seeds[1].send(nodes("a", "b", "c"))
		lanes = append(lanes, c.greetAs("c"), c.greetAs("c"))
		d.mustHaveDialed(t, 0, "c c:1")
		seeds[1].send(nodes("a", "b"))
		for _, s := range lanes[2:] {
			s.awaitDrain()
			s.end(errDrained)
		}
		d.mustHaveDialed(t, 1)
		p.cancel(nil)
		for _, s := range append(seeds, lanes[:2]...) {
			s.awaitDrain()
			s.end(errDrained)
		}
		p.mustReturn(nil)
		d.mustHaveDialed(t, 2)
	})
}

// TestNodeIsReplaced holds that a node that is down is tried again, and dialed again when it has another address.
func TestNodeIsReplaced(t *testing.T) {
	inFleet(t, remote.Config{}, func(t *testing.T, d *dialer, p *program) {
		a, b, c := d.nodes["a:1"], d.nodes["b:1"], d.nodes["c:1"]
		seed := a.greetAs("a", "a", "b", "x")
		b.greetAs("b").end(status.Error(codes.PermissionDenied, "no"))
		b.greetAs("b").end(status.Error(codes.NotFound, "no"))
		synctest.Wait()
		seed.send(&pb.AttachResponse{Nodes: &pb.Nodes{Nodes: []*pb.NodeAddress{{Node: "b", Address: "c:1"}}}})
		c.greetAs("b")
		synctest.Wait()
		d.mu.Lock()
		if n := len(d.dialed); d.dialed[n-1] != "b c:1" || d.closed != 1 || !slices.Contains(d.dialed, "x x:1") {
			t.Errorf("dialed %q, closed %d", d.dialed, d.closed)
		}
		d.mu.Unlock()
		p.stop()
	})
}

// TestFirstNodeIsGone holds that the program stays attached to a fleet whose first node is gone, and follows it.
func TestFirstNodeIsGone(t *testing.T) {
	inFleet(t, remote.Config{}, func(t *testing.T, d *dialer, p *program) {
		a, b, c := d.nodes["a:1"], d.nodes["b:1"], d.nodes["c:1"]
		seed := a.greetAs("a", "a", "b")
		other := b.greetAs("b", "a", "b")
		seed.end(status.Error(codes.Unavailable, "gone"))
		other.send(nodes("b", "c"))
		c.greetAs("c", "b", "c")
		time.Sleep(time.Second)
		d.mustHaveDialed(t, 0, "b b:1", "c c:1")
		a.greetAs("a", "a", "b", "c")
		d.mustHaveDialed(t, 0)
		p.stop()
	})
}

// TestFirstNodeMoves holds that conn may lead to one node after another.
func TestFirstNodeMoves(t *testing.T) {
	inFleet(t, remote.Config{DrainTimeout: time.Second}, func(t *testing.T, d *dialer, p *program) {
		a, b := d.nodes["a:1"], d.nodes["b:1"]
		seed := a.greetAs("a", "a", "b")
		other := b.greetAs("b", "a", "b")
		seed.end(nil)
		a.greetAs("b", "a", "b")
		other.awaitDrain()
		a = d.nodes["a:1"]
		a.greetAs("a", "a", "b")
		d.mustHaveDialed(t, 0, "a a:1", "b b:1")
		p.stop()
	})
}
