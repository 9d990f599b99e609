package fleet_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/fleet"
	"github.com/sockgate/sockgate/gateway/fleet/fleettest"
	fleetv1 "github.com/sockgate/sockgate/gen/sockgate/fleet/v1"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// beats are the states in the heartbeats of a place.
type beats struct {
	mu  sync.Mutex
	all []pb.NodeState
}

func (b *beats) states() []pb.NodeState {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.all)
}

// spyBeats keeps the heartbeats of a place.
func spyBeats(t *testing.T, loop *fleettest.Loopback, at string) *beats {
	b := new(beats)
	loop.Spy(func(from, subject string, data []byte) {
		if from != at || strings.Split(subject, ".")[2] != "beat" {
			return
		}
		said := new(fleetv1.Heartbeat)
		if err := proto.Unmarshal(data, said); err != nil {
			t.Error(err)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.all = append(b.all, said.GetState())
	})
	return b
}

// TestNodeLifecycle checks Join and Leave in any order, and more than once.
func TestNodeLifecycle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop := fleettest.NewLoopback()
		spy := spyBeats(t, loop, place("a", "100"))
		a := joinNode(t, loop, "a", "100")
		if err := a.Join(t.Context()); err == nil {
			t.Error("a joined twice")
		}
		a.Leave()
		a.Leave()
		if beats := spy.states(); len(beats) != 2 || beats[1] != left {
			t.Errorf("a said %v; expected one heartbeat and that it left", beats)
		}
		if err := a.Join(t.Context()); err == nil {
			t.Error("a joined after it had left")
		}
		never := newNode(t, loop, "b", "200")
		never.Leave()
		if err := never.Join(t.Context()); err == nil {
			t.Error("b joined after it had left")
		}
	})
}

// TestNodeLeavesWhileJoining checks that Leave ends a Join that is under way.
func TestNodeLeavesWhileJoining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop := fleettest.NewLoopback()
		spy := spyBeats(t, loop, place("a", "100"))
		a := newNode(t, loop, "a", "100")
		joined := make(chan error, 1)
		began := time.Now()
		go func() { joined <- a.Join(t.Context()) }()
		time.Sleep(100 * time.Millisecond)
		a.Leave()
		if err := <-joined; err == nil || time.Since(began) != 100*time.Millisecond {
			t.Errorf("Join returned %v after %s; expected an error at once", err, time.Since(began))
		}
		if beats := spy.states(); len(beats) != 0 {
			t.Errorf("a said %v although it had not joined", beats)
		}
	})
}

// TestNewChecksPeerRoles checks that New refuses a wrong role of a peer.
func TestNewChecksPeerRoles(t *testing.T) {
	loop := fleettest.NewLoopback()
	n := newNode(t, loop, "a", "100")
	for node, role := range map[string]pb.Role{"b": pb.Role_ROLE_ADMIN + 1, "*": pb.Role_ROLE_UNSPECIFIED,
		"B": pb.Role_ROLE_ADMIN} {
		_, err := fleet.New(fleet.Config{Fleet: "test", Bus: n.bus, Self: n.body, Local: &control.Local{},
			PeerRoles: map[string]pb.Role{node: role}})
		if err == nil {
			t.Errorf("a peer %q has the role %s", node, role)
		}
	}
	right := map[string]pb.Role{"b": pb.Role_ROLE_VIEWER, "*": pb.Role_ROLE_ADMIN}
	if _, err := fleet.New(fleet.Config{Fleet: "test", Bus: n.bus, Self: n.body, Local: &control.Local{},
		PeerRoles: right}); err != nil {
		t.Error(err)
	}
}
