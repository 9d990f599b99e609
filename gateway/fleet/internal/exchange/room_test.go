package exchange_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/internal/exchange"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestAnswersThatWaitAreBounded checks that one caller's questions, which a silent node keeps open, hold no more than
// half of the memory for answers, and that all of it is free afterwards.
func TestAnswersThatWaitAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExchanges(t, "a", "b", "c")
		a := e.all["a"]
		e.all["b"].answers.OnCall = func(context.Context, string, event.Actor, string, []byte) ([]byte, error) {
			return noise(3 << 20), nil
		}
		e.loop.Cut("a", "c", true)
		viewer := event.Actor{Identity: "viewer", Proof: "token", Role: "VIEWER"}
		for range 2 {
			var mu sync.Mutex
			whole, refused := 0, 0
			var asking sync.WaitGroup
			for range 14 {
				asking.Go(func() {
					got := a.Ask(t.Context(), a.members("b", "c"),
						exchange.Question{Method: list, Caller: viewer, Wait: 2 * time.Second})[0]
					mu.Lock()
					defer mu.Unlock()
					switch {
					case got.OK():
						whole++
					case got.Status == pb.NodeStatus_NODE_STATUS_ERROR && strings.Contains(got.Message, "there is no room"):
						refused++
					default:
						t.Errorf("answered %+v", got)
					}
				})
				synctest.Wait() // until the answer has come: parts of many at once would be given up
			}
			asking.Wait()
			if most := 32 / 3; whole == 0 || whole > most || whole+refused != 14 {
				t.Errorf("%d answers of 3 MiB, and %d had no room; expected 1 to %d of 14", whole, refused, most)
			}
		}
	})
}
