package exchange_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/internal/exchange"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// crowd asks node b for mutations that wait, by way of node a, and counts them.
func crowd(t *testing.T) (e *exchanges, ask func(caller event.Actor) (status pb.NodeStatus, text string), end func()) {
	t.Helper()
	e = newExchanges(t, "a", "b", "c")
	release := make(chan struct{})
	e.all["b"].answers.OnCall = func(context.Context, string, event.Actor, string, []byte) ([]byte, error) {
		<-release
		return nil, nil
	}
	ask = func(caller event.Actor) (pb.NodeStatus, string) {
		p := e.all["a"]
		if caller.Via != "" {
			p = e.all[caller.Via]
		}
		var answer atomic.Pointer[exchange.Answer]
		go func() {
			got := p.Ask(t.Context(), p.members("b"), exchange.Question{Method: kick, Caller: caller, Wait: time.Minute})[0]
			answer.Store(&got)
		}()
		synctest.Wait()
		if got := answer.Load(); got != nil {
			return got.Status, got.Message
		}
		return pb.NodeStatus_NODE_STATUS_OK, ""
	}
	return e, ask, func() { close(release); synctest.Wait() }
}

func caller(name, role string) event.Actor {
	return event.Actor{Identity: name, Proof: "token", Role: role}
}

// TestAViewerLeavesPlacesToOthers checks that an identity that asks for as much as it can by way of a node keeps no
// other caller of that node out, and that administrators have a reserve.
func TestAViewerLeavesPlacesToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, ask, end := crowd(t)
		defer end()
		flood := func(a event.Actor) (n int) {
			for ; ; n++ {
				if status, text := ask(a); status != pb.NodeStatus_NODE_STATUS_OK {
					if !strings.Contains(text, a.Identity) && !strings.Contains(text, "of 256 requests") {
						t.Errorf("refused with %q", text)
					}
					return n
				}
			}
		}
		for i, want := range []int{exchange.MaxRequests / 2, exchange.MaxRequests / 3} {
			if n := flood(caller(fmt.Sprint("viewer", i), "VIEWER")); n != want {
				t.Errorf("viewer %d got %d places; expected %d", i, n, want)
			}
		}
		if status, text := ask(caller("operator", "OPERATOR")); status != pb.NodeStatus_NODE_STATUS_OK {
			t.Errorf("an operator is refused: %s", text)
		}
		for i := range 40 {
			flood(caller(fmt.Sprint("more", i), "VIEWER"))
		}
		if status, text := ask(caller("root", "ADMIN")); status != pb.NodeStatus_NODE_STATUS_OK {
			t.Errorf("an administrator is refused: %s", text)
		}
	})
}

// TestAnonymousCallersAreOne checks that callers without a proof have one share for each address, on any port.
func TestAnonymousCallersAreOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, ask, end := crowd(t)
		defer end()
		n := 0
		for ; ; n++ {
			at := fmt.Sprintf("127.0.0.1:%d", 1000+n)
			if status, _ := ask(event.Actor{Identity: at, Proof: "none", Address: at}); status != pb.NodeStatus_NODE_STATUS_OK {
				break
			}
		}
		if n != exchange.MaxNodeRequests {
			t.Errorf("got %d places; expected %d", n, exchange.MaxNodeRequests)
		}
	})
}

// TestANodeThatInventsCallers checks that a node that names ever new callers leaves places to callers of other nodes.
func TestANodeThatInventsCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, ask, end := crowd(t)
		for i := range 2000 {
			ask(caller(fmt.Sprint("invented", i), "VIEWER"))
		}
		got := 0
		for range 3 {
			honest := caller("operator", "OPERATOR")
			honest.Via = "c"
			if status, _ := ask(honest); status == pb.NodeStatus_NODE_STATUS_OK {
				got++
			}
		}
		if got != 3 {
			t.Errorf("a caller of another node got %d places", got)
		}
		end()
	})
}
