package exchange_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/internal/exchange"
	fleetv1 "github.com/sockgate/sockgate/gen/sockgate/fleet/v1"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestWhatCallersAreCalled checks that a caller with names that no node gives is refused, because they would stay in
// events and bans.
func TestWhatCallersAreCalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExchanges(t, "a", "b")
		a := e.all["a"]
		calls, _ := counting(e.all["b"])
		good := event.Actor{Identity: "a\nname " + strings.Repeat("x", 1000), Proof: "certificate", Role: "ADMIN",
			Address: "[2001:db8::1]:5", RequestID: "r-1"}
		for field, change := range map[string]func(*event.Actor){
			"":           func(*event.Actor) {},
			"identity":   func(c *event.Actor) { c.Identity = strings.Repeat("x", 1025) },
			"proof":      func(c *event.Actor) { c.Proof = "token\n2026-11-24T09:12:31.114Z [INFO]  something else" },
			"role":       func(c *event.Actor) { c.Role = strings.Repeat("K", 129) },
			"address":    func(c *event.Actor) { c.Address = "\x1b[2J" },
			"request_id": func(c *event.Actor) { c.RequestID = strings.Repeat("r", 129) },
		} {
			c := good
			change(&c)
			before := calls.Load()
			got := a.Ask(t.Context(), a.members("b"), exchange.Question{Method: kick, Caller: c})[0]
			switch {
			case field == "" && got.Status != pb.NodeStatus_NODE_STATUS_OK:
				t.Errorf("a good caller was answered %+v", got)
			case field != "" && (got.Status != pb.NodeStatus_NODE_STATUS_ERROR || !strings.Contains(got.Message, field) ||
				calls.Load() != before):
				t.Errorf("%s: answered %+v", field, got)
			}
		}
	})
}

// TestTooManyTargets checks that a request with more targets than a fleet has nodes is not decoded.
func TestTooManyTargets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExchanges(t, "a", "b")
		b := e.all["b"]
		calls, _ := counting(b)
		for i, more := range []int{9_999, 10_000} {
			e := new(fleetv1.Envelope)
			if err := proto.Unmarshal(askOf(b, [16]byte{byte(i)}, nil), e); err != nil {
				t.Fatal(err)
			}
			message := append(e.GetRequest(), bytes.Repeat([]byte{0x22, 0}, more)...) // empty targets
			data, _ := proto.Marshal(exchange.Envelopes([16]byte{byte(i)}, false, message)[0])
			b.HearAsk("a", data)
			synctest.Wait()
		}
		time.Sleep(2 * time.Second)
		if calls.Load() != 1 || !strings.Contains(b.logged(), "1 not understood") {
			t.Errorf("%d requests were carried out; the log: %s", calls.Load(), b.logged())
		}
	})
}

// TestTooManyBytes checks the bound of the bytes of requests under way, for one node and for all.
func TestTooManyBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		names := []string{"a", "c", "d", "e", "f"}
		x := newExchanges(t, append(names, "b")...)
		release := make(chan struct{})
		x.all["b"].answers.OnCall = func(context.Context, string, event.Actor, string, []byte) ([]byte, error) {
			<-release
			return nil, nil
		}
		answers := make(chan exchange.Answer, 1000)
		const size = exchange.MaxNodeBytes / 14
		ask := func(name string, n int) {
			p := x.all[name]
			for range n {
				go func() {
					answers <- p.Ask(t.Context(), p.members("b"), exchange.Question{Method: kick, Wait: time.Minute, Body: make([]byte,
						size)})[0]
				}()
				// One after the other: if they were incomplete at the same time, the exchange would give up the oldest.
				synctest.Wait()
			}
		}
		refused := func() {
			t.Helper()
			select {
			case got := <-answers:
				if got.Status != pb.NodeStatus_NODE_STATUS_OVERLOADED || !strings.Contains(got.Message, "bytes") {
					t.Errorf("answered %+v", got)
				}
			default:
				t.Error("no answer at once")
			}
		}
		ask("a", 15)
		refused()
		ask("c", 9)
		ask("d", 5)
		ask("f", 1)
		refused()
		close(release)
		for range exchange.MaxBytes / size {
			if got := <-answers; got.Status != pb.NodeStatus_NODE_STATUS_OK {
				t.Errorf("answered %+v", got)
			}
		}
		if _, under, _ := x.all["b"].Left(); under != 0 {
			t.Errorf("%d are under way still", under)
		}
	})
}
