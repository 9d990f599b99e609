package fleet_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// called is a Local whose caller is in the context.
type called struct{ fleet.Local }

type callerKey struct{}

func (called) Caller(ctx context.Context) event.Actor {
	a, _ := ctx.Value(callerKey{}).(event.Actor)
	return a
}

func by(ctx context.Context, name, role string) context.Context {
	return context.WithValue(ctx, callerKey{}, event.Actor{Identity: name, Proof: "token", Role: role})
}

// TestCallsAreShared checks that a viewer with as many calls to other nodes under way as it can have keeps neither an
// operator nor an administrator out, that the refusal says what is used up, and that reads give way.
func TestCallsAreShared(t *testing.T) {
	release := make(chan struct{})
	asked := make(chan struct{}, 1000)
	n := among(t, nil, other("a", live))
	n.script.Answer = func(ctx context.Context, a fleet.Asked) fleet.Answer {
		asked <- struct{}{}
		select {
		case <-release:
			return ok(&pb.CountConnectionsResponse{})
		case <-ctx.Done():
			return fleet.Answer{Status: statusTimedOut}
		}
	}
	node := fleet.NewScripted(n.script, n.server, n.bus, called{control.NewLocal(n.server, control.Config{})})
	var calls sync.WaitGroup
	var mu sync.Mutex
	outcomes := make(map[string]map[pb.NodeStatus]int)
	refusal := ""
	count := func(name, role string) {
		calls.Go(func() {
			r, err := node.CountConnections(by(t.Context(), name, role), &pb.CountConnectionsRequest{Scope: scopeOf("a")})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
				return
			}
			if outcomes[name] == nil {
				outcomes[name] = make(map[pb.NodeStatus]int)
			}
			of := r.GetFleet().GetNodes()[0]
			outcomes[name][of.GetStatus()]++
			if of.GetStatus() == statusOverloaded {
				refusal = of.GetMessage()
			}
		})
	}
	refused := func(name string) int {
		mu.Lock()
		defer mu.Unlock()
		return outcomes[name][statusOverloaded]
	}
	for range 300 {
		count("viewer", "VIEWER")
	}
	eventually(t, "the viewer has its share", func() bool { return refused("viewer") == 300-112 && len(asked) == 112 })
	if !strings.Contains(refusal, "112 of 256 calls") || !strings.Contains(refusal, "share") {
		t.Errorf("refused with %q", refusal)
	}
	for _, name := range []string{"two", "three", "four"} {
		for range 40 {
			count(name, "VIEWER")
		}
	}
	eventually(t, "they have theirs", func() bool { return len(asked) == 112+3*40 })
	count("operator", "OPERATOR")
	count("root", "ADMIN")
	eventually(t, "all are asked", func() bool { return len(asked) == 112+3*40+2 })
	close(release)
	calls.Wait()
	for name, want := range map[string]int{"two": 40, "three": 40, "four": 40, "operator": 1, "root": 1} {
		if outcomes[name][statusOK] != want {
			t.Errorf("%s: %v", name, outcomes[name])
		}
	}
	if gaveWay := outcomes["viewer"][statusOverloaded] - (300 - 112); gaveWay == 0 || outcomes["viewer"][statusTimedOut] > 0 {
		t.Errorf("viewer: %v", outcomes["viewer"])
	}
}
