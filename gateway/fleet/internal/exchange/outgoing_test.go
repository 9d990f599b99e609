package exchange_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/internal/exchange"
	fleetv1 "github.com/sockgate/sockgate/gen/sockgate/fleet/v1"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestAnItemThatIsTooLarge checks that an item that is too large ends the stream with an error that tells the follower
// not to reopen it.
func TestAnItemThatIsTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExchanges(t, "a", "b")
		a, source := e.all["a"], newSource(e.all["b"])
		source.items <- []byte("first")
		source.items <- make([]byte, exchange.MessageSize)
		s := a.Follow(t.Context(), a.Roster.Member("b"), exchange.Question{Method: flow})
		defer s.Close()
		end, items := nextEnd(t, s)
		if len(items) != 1 || end.Status != pb.NodeStatus_NODE_STATUS_ERROR || !strings.Contains(end.Message,
			"8388608 bytes") {
			t.Errorf("%d items, ended with %+v", len(items), end)
		}
	})
}

// TestAnItemThatCannotBeSentEndsAStream checks that a node whose connection is lost for a moment does not go on after
// the missing item.
func TestAnItemThatCannotBeSentEndsAStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExchanges(t, "a", "b")
		a, b := e.all["a"], e.all["b"]
		b.answers.OnFollow = func(_ context.Context, _ string, _ event.Actor, _ string, _ []byte,
			send func([]byte) error) error {
			b.bus.Connect(false)
			err := send([]byte("1"))
			b.bus.Connect(true)
			return err
		}
		s := a.Follow(t.Context(), a.Roster.Member("b"), exchange.Question{Method: flow})
		defer s.Close()
		if end, items := nextEnd(t, s); len(items) != 0 || end.Status != pb.NodeStatus_NODE_STATUS_TIMED_OUT {
			t.Errorf("%q, then %+v", items, end)
		}
	})
}

// TestStopEndsStreams checks the end on both sides when one of them leaves the fleet and its streams do not end by
// themselves.
func TestStopEndsStreams(t *testing.T) {
	for _, c := range []struct {
		stops  string
		status pb.NodeStatus
		after  time.Duration
	}{{"a", pb.NodeStatus_NODE_STATUS_UNREACHABLE, time.Second}, {"b", pb.NodeStatus_NODE_STATUS_LEFT, 3 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			e := newExchanges(t, "a", "b")
			a, source := e.all["a"], newSource(e.all["b"])
			s := a.Follow(t.Context(), a.Roster.Member("b"), exchange.Question{Method: flow})
			defer s.Close()
			time.AfterFunc(time.Second, e.all[c.stops].Stop)
			if end, _ := nextEnd(t, s); end.Status != c.status || end.Elapsed != c.after || !strings.Contains(end.Message,
				"leaving") {
				t.Errorf("ended with %+v; expected %s", end, c.status)
			}
			<-source.ended
		})
	}
}

// TestTooManyStreams checks that an identity alone may have half of the streams, and that each further one gets as much
// as those before it, whatever they have already: the streams that give way are told so. Places are given back.
func TestTooManyStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		names := []string{"b", "a", "c", "d", "e", "f", "g"}
		e := newExchanges(t, names...)
		e.all["b"].answers.OnFollow = func(ctx context.Context, _ string, _ event.Actor, _ string, _ []byte,
			_ func([]byte) error) error {
			<-ctx.Done()
			return ctx.Err()
		}
		refused := func(s exchange.Stream) (message string, refused bool) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			_, err := s.Next(ctx)
			end, ended := exchange.End(err)
			if ended && end.Status != pb.NodeStatus_NODE_STATUS_OVERLOADED {
				t.Errorf("ended with %+v", end)
			}
			return fmt.Sprint(err), ended
		}
		open := func(p *peer) exchange.Stream {
			s := p.Follow(t.Context(), p.Roster.Member("b"), exchange.Question{Method: flow})
			t.Cleanup(s.Close)
			return s
		}
		var first []exchange.Stream
		for i, name := range names[1:] {
			e.hear(e.all[name], "b")
			share := exchange.MaxStreams / (i + 2)
			for n := range share {
				s := open(e.all[name])
				if text, no := refused(s); no {
					t.Fatalf("stream %d of %s, whose share is %d: %s", n, name, share, text)
				}
				if i == 0 {
					first = append(first, s)
				}
				if n%100 == 0 { // they stay followed
					for other := range names[1 : i+2] {
						e.hear(e.all[names[1+other]], "b")
					}
				}
			}
			if text, no := refused(open(e.all[name])); !no || !strings.Contains(text, "share of") {
				t.Errorf("%s has more than its share of %d: %s", name, share, text)
			}
		}
		gone := 0
		for _, s := range first {
			if text, no := refused(s); no {
				gone++
				if !strings.Contains(text, "it gave way") {
					t.Errorf("ended with %s", text)
				}
			}
		}
		if left := exchange.MaxNodeStreams - gone; left < exchange.MaxStreams/7 || left > exchange.MaxStreams/5 {
			t.Errorf("the first has %d streams left", left)
		}
		for _, s := range first {
			s.Close()
		}
		synctest.Wait()
		if text, no := refused(open(e.all["a"])); no {
			t.Errorf("no place was given back: %s", text)
		}
	})
}

// TestAFollowerThatAsksForTooMuch checks that a node sends no more for a large window, nor for credit for items that
// were not sent.
func TestAFollowerThatAsksForTooMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExchanges(t, "a", "b")
		b, source := e.all["b"], newSource(e.all["b"])
		for range 100 {
			source.items <- []byte("item")
		}
		id := [16]byte{7}
		b.HearAsk("a", askOf(b, id, func(r *fleetv1.Request) { r.Method, r.Window = flow, math.MaxUint32 }))
		synctest.Wait()
		b.HearAsk("a", envelope(&fleetv1.Envelope{Id: id[:],
			Body: &fleetv1.Envelope_Credit{Credit: &fleetv1.Credit{Taken: math.MaxUint64}}}))
		synctest.Wait()
		if len(source.sent) != exchange.WindowItems {
			t.Errorf("%d items were sent; expected %d", len(source.sent), exchange.WindowItems)
		}
		b.HearAsk("a", envelope(&fleetv1.Envelope{Id: id[:],
			Body: &fleetv1.Envelope_Credit{Credit: &fleetv1.Credit{Taken: 3}}}))
		b.HearAsk("a", envelope(&fleetv1.Envelope{Id: id[:],
			Body: &fleetv1.Envelope_Credit{Credit: &fleetv1.Credit{Taken: 1}}})) // an older credit
		synctest.Wait()
		if len(source.sent) != exchange.WindowItems+3 {
			t.Errorf("%d items were sent; expected %d", len(source.sent), exchange.WindowItems+3)
		}
		time.Sleep(2 * time.Second)
		if !strings.Contains(b.logged(), "1 not understood") {
			t.Errorf("the log does not tell: %s", b.logged())
		}
	})
}
