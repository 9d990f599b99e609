package exchange_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/internal/exchange"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	fleetv1 "github.com/sockgate/sockgate/gen/sockgate/fleet/v1"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// nextEnd takes the rest of a stream, and returns its end and the items.
func nextEnd(t *testing.T, s exchange.Stream) (exchange.Answer, []string) {
	t.Helper()
	var items []string
	for {
		item, err := s.Next(t.Context())
		if err == nil {
			items = append(items, string(item))
			continue
		}
		end, ok := exchange.End(err)
		if !ok {
			t.Fatalf("the stream ended with %v", err)
		}
		return end, items
	}
}

// source is the sending side of a stream, which a test drives.
type source struct {
	items chan []byte // items to send; closed to end
	sent  chan int    // the number of items sent, after each
	ended chan error  // the error that ended it, from send or ctx
}

// newSource lets a peer answer streams.
func newSource(p *peer) *source {
	s := &source{items: make(chan []byte, 1000), sent: make(chan int, 1000), ended: make(chan error, 1)}
	p.answers.OnFollow = func(ctx context.Context, _ string, _ event.Actor, _ string, _ []byte,
		send func([]byte) error) error {
		for n := 1; ; n++ {
			select {
			case <-ctx.Done():
				s.ended <- context.Cause(ctx)
				return ctx.Err()
			case item, ok := <-s.items:
				if !ok {
					s.ended <- nil
					return nil
				}
				if err := send(item); err != nil {
					s.ended <- err
					return err
				}
				s.sent <- n
			}
		}
	}
	return s
}

func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExchanges(t, "a", "b")
		a := e.all["a"]
		e.all["b"].answers.OnFollow = func(_ context.Context, from string, _ event.Actor, method string, body []byte,
			send func([]byte) error) error {
			if from != "a" || method != flow || string(body) != "everything" {
				t.Errorf("%s follows %s %q", from, method, body)
			}
			var item []byte
			for n := range 1000 {
				item = fmt.Append(item[:0], n) // send does not keep it
				if err := send(item); err != nil {
					return err
				}
			}
			return nil
		}
		s := a.Follow(t.Context(), a.Roster.Member("b"), exchange.Question{Method: flow, Body: []byte("everything")})
		defer s.Close()
		end, items := nextEnd(t, s)
		for n, item := range items {
			if item != fmt.Sprint(n) {
				t.Fatalf("item %d is %q", n, item)
			}
		}
		if len(items) != 1000 || end.Status != pb.NodeStatus_NODE_STATUS_OK || end.Node != "b" || end.Elapsed != 0 {
			t.Errorf("%d items, ended with %+v", len(items), end)
		}
		if again, _ := nextEnd(t, s); again.Status != end.Status {
			t.Errorf("ended with %+v the second time", again)
		}
	})
}

// TestLargeItems checks that items of several parts arrive whole, among small ones.
func TestLargeItems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExchanges(t, "a", "b")
		a, source := e.all["a"], newSource(e.all["b"])
		sizes := []int{1, 5 << 20, 0, 700 << 10, 300 << 10, 400 << 10, 3}
		for _, n := range sizes {
			source.items <- noise(n)
		}
		close(source.items)
		s := a.Follow(t.Context(), a.Roster.Member("b"), exchange.Question{Method: flow})
		defer s.Close()
		end, items := nextEnd(t, s)
		for i, item := range items {
			if !bytes.Equal([]byte(item), noise(sizes[i])) {
				t.Errorf("item %d has %d bytes; expected other %d", i, len(item), sizes[i])
			}
		}
		if len(items) != len(sizes) || end.Status != pb.NodeStatus_NODE_STATUS_OK {
			t.Errorf("%d items, ended with %+v", len(items), end)
		}
	})
}

// TestAStalledFollowerStallsOnlyItself checks that nothing queues beyond the window of a follower that takes nothing
// for long. Its stream goes on when it takes items again, and other followers get theirs meanwhile.
func TestAStalledFollowerStallsOnlyItself(t *testing.T) {
	for _, c := range []struct {
		size, most int // bytes of an item; the most items in flight
	}{{100, exchange.WindowItems}, {300 << 10, 3}, {2 << 20, 1}} {
		synctest.Test(t, func(t *testing.T) {
			e := newExchanges(t, "a", "b", "c")
			a, c1, source := e.all["a"], e.all["c"], newSource(e.all["b"])
			stalls := e.all["b"].answers.OnFollow
			e.all["b"].answers.OnFollow = func(ctx context.Context, from string, c event.Actor, method string, body []byte,
				send func([]byte) error) error {
				if from == "c" {
					return send([]byte("well"))
				}
				return stalls(ctx, from, c, method, body, send)
			}
			for range 20 {
				source.items <- make([]byte, c.size)
			}
			s := a.Follow(t.Context(), a.Roster.Member("b"), exchange.Question{Method: flow})
			defer s.Close()
			time.Sleep(10 * time.Minute)
			if len(source.sent) != c.most {
				t.Errorf("%d items of %d bytes were sent to who took none; expected %d", len(source.sent), c.size, c.most)
			}
			e.hear(c1, "b")
			other := c1.Follow(t.Context(), c1.Roster.Member("b"), exchange.Question{Method: flow})
			defer other.Close()
			if end, items := nextEnd(t, other); len(items) != 1 || end.Status != pb.NodeStatus_NODE_STATUS_OK {
				t.Errorf("the other got %q, and %+v", items, end)
			}
			close(source.items)
			if end, items := nextEnd(t, s); len(items) != 20 || end.Status != pb.NodeStatus_NODE_STATUS_OK {
				t.Errorf("%d items after the stall, and %+v", len(items), end)
			}
		})
	}
}

// TestAQuietStreamIsKept checks that a stream with few items goes on, and so does a stream whose follower takes nothing
// for long between items.
func TestAQuietStreamIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExchanges(t, "a", "b")
		a, source := e.all["a"], newSource(e.all["b"])
		s := a.Follow(t.Context(), a.Roster.Member("b"), exchange.Question{Method: flow})
		defer s.Close()
		for n := range 10 {
			time.AfterFunc(11*time.Second, func() { source.items <- []byte("again") })
			if _, err := s.Next(t.Context()); err != nil {
				t.Fatalf("item %d: %v", n, err)
			}
		}
	})
}

// TestALostItemEndsAStream checks that a stream ends at a missing item, whether a later item or only the end shows the
// loss.
func TestALostItemEndsAStream(t *testing.T) {
	for _, last := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			e := newExchanges(t, "a", "b")
			a, source := e.all["a"], newSource(e.all["b"])
			s := a.Follow(t.Context(), a.Roster.Member("b"), exchange.Question{Method: flow})
			defer s.Close()
			source.items <- []byte("1")
			synctest.Wait()
			e.loop.Cut("a", "b", true)
			source.items <- []byte("2")
			synctest.Wait()
			e.loop.Cut("a", "b", false)
			if !last {
				source.items <- []byte("3")
				synctest.Wait()
				source.items <- []byte("4")
				synctest.Wait()
			}
			close(source.items)
			end, items := nextEnd(t, s)
			if end.Status != pb.NodeStatus_NODE_STATUS_TIMED_OUT || !strings.Contains(end.Message, "items 2 to 2") ||
				strings.Join(items, "") != "1" {
				t.Errorf("%q, then %+v", items, end)
			}
			if end.Elapsed != 0 {
				t.Errorf("it took %s to see", end.Elapsed)
			}
		})
	}
}

// TestSilenceEndsAStream checks that both sides of a cut link give their stream up, each in its time.
func TestSilenceEndsAStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExchanges(t, "a", "b")
		a, source := e.all["a"], newSource(e.all["b"])
		s := a.Follow(t.Context(), a.Roster.Member("b"), exchange.Question{Method: flow})
		defer s.Close()
		source.items <- []byte("1")
		if _, err := s.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
		cut := time.Now()
		e.loop.Cut("a", "b", true)
		if end, _ := nextEnd(t, s); end.Status != pb.NodeStatus_NODE_STATUS_TIMED_OUT || time.Since(cut) != 12*time.Second {
			t.Errorf("ended with %+v after %s", end, time.Since(cut))
		}
		if err := <-source.ended; !strings.Contains(fmt.Sprint(err), "15s") {
			t.Errorf("b's side ended with %v", err)
		}
		if took := time.Since(cut); took < 15*time.Second || took > 17*time.Second {
			t.Errorf("b's side ended after %s", took)
		}
	})
}

func TestMembersChangeWhileTheyAreFollowed(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(r *exchange.ExchangeRoster, m member.Member)
		status pb.NodeStatus
		after  time.Duration
	}{
		{"it restarts", func(r *exchange.ExchangeRoster, m member.Member) { m.Incarnation = "19ab0d40000"; r.Set(m) },
			pb.NodeStatus_NODE_STATUS_RESTARTED, time.Second},
		{"it leaves", func(r *exchange.ExchangeRoster, m member.Member) { m.State = pb.NodeState_NODE_STATE_LEFT; r.Set(m) },
			pb.NodeStatus_NODE_STATUS_LEFT, time.Second},
		{"it falls silent", func(r *exchange.ExchangeRoster, m member.Member) {
			m.State = pb.NodeState_NODE_STATE_UNREACHABLE
			r.Set(m)
		},
			pb.NodeStatus_NODE_STATUS_UNREACHABLE, 0},
		{"it is forgotten", func(r *exchange.ExchangeRoster, m member.Member) { r.Forget(m.Node) },
			pb.NodeStatus_NODE_STATUS_UNREACHABLE, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newExchanges(t, "a", "b")
				a, source := e.all["a"], newSource(e.all["b"])
				s := a.Follow(t.Context(), a.Roster.Member("b"), exchange.Question{Method: flow})
				defer s.Close()
				time.AfterFunc(time.Second, func() { c.change(a.Roster, a.Roster.Member("b")) })
				if end, _ := nextEnd(t, s); end.Status != c.status || end.Elapsed != time.Second+c.after {
					t.Errorf("ended with %+v; expected %s after %s", end, c.status, time.Second+c.after)
				}
				<-source.ended // it was told
			})
		})
	}
}

// TestWhoIsNotAskedIsNotFollowed checks that no stream is opened at a member that cannot answer, or without a
// connection.
func TestWhoIsNotAskedIsNotFollowed(t *testing.T) {
	for _, c := range []struct {
		state     pb.NodeState
		connected bool
		status    pb.NodeStatus
	}{
		{pb.NodeState_NODE_STATE_LEFT, true, pb.NodeStatus_NODE_STATUS_LEFT},
		{pb.NodeState_NODE_STATE_UNREACHABLE, true, pb.NodeStatus_NODE_STATUS_UNREACHABLE},
		{pb.NodeState_NODE_STATE_LIVE, false, pb.NodeStatus_NODE_STATUS_UNREACHABLE},
	} {
		synctest.Test(t, func(t *testing.T) {
			e := newExchanges(t, "a", "b")
			a := e.all["a"]
			a.bus.Connect(c.connected)
			e.loop.Spy(func(_, subject string, _ []byte) { t.Errorf("something was sent to %s", subject) })
			m := a.Roster.Member("b")
			m.State = c.state
			s := a.Follow(t.Context(), m, exchange.Question{Method: flow})
			defer s.Close()
			if end, items := nextEnd(t, s); end.Status != c.status || len(items) != 0 || end.Elapsed != 0 {
				t.Errorf("%q, ended with %+v", items, end)
			}
		})
	}
}

// TestWhatWasSaidBeforeLeavingArrives checks that the news that a node left does not cut off its earlier messages,
// which travel on another subject and may be slower.
func TestWhatWasSaidBeforeLeavingArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExchanges(t, "a", "b")
		a, source := e.all["a"], newSource(e.all["b"])
		s := a.Follow(t.Context(), a.Roster.Member("b"), exchange.Question{Method: flow})
		defer s.Close()
		synctest.Wait()
		e.loop.Delay("b", 500*time.Millisecond)
		source.items <- []byte("last words")
		close(source.items)
		m := a.Roster.Member("b")
		m.State = pb.NodeState_NODE_STATE_LEFT
		a.Roster.Set(m)
		if end, items := nextEnd(t, s); end.Status != pb.NodeStatus_NODE_STATUS_OK || len(items) != 1 {
			t.Errorf("%q, then %+v", items, end)
		}
	})
}

// TestClosingAStreamEndsIt checks that a node ends a stream without a follower.
func TestClosingAStreamEndsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExchanges(t, "a", "b")
		a, source := e.all["a"], newSource(e.all["b"])
		s := a.Follow(t.Context(), a.Roster.Member("b"), exchange.Question{Method: flow})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Next(ctx); err != context.DeadlineExceeded {
			t.Errorf("next returned %v", err)
		}
		s.Close()
		s.Close()
		began := time.Now()
		<-source.ended
		if time.Since(began) != 0 {
			t.Errorf("b ended it after %s", time.Since(began))
		}
	})
}

// TestLastItemsOfWhoLeaves checks that a node that leaves lets its streams end by themselves if they do so in time.
func TestLastItemsOfWhoLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExchanges(t, "a", "b")
		source := newSource(e.all["b"])
		s := e.all["a"].Follow(t.Context(), e.all["a"].Roster.Member("b"), exchange.Question{Method: flow})
		defer s.Close()
		source.items <- []byte("first")
		<-source.sent
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			e.all["b"].Stop()
		}()
		synctest.Wait()
		source.items <- []byte("last")
		close(source.items)
		if end, items := nextEnd(t, s); end.Status != pb.NodeStatus_NODE_STATUS_OK || len(items) != 2 || items[1] != "last" {
			t.Errorf("%q, then %+v", items, end)
		}
		<-stopped
	})
}

// TestANodeThatDoesNotKeepToTheWindow checks that items beyond the window do not queue.
func TestANodeThatDoesNotKeepToTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExchanges(t, "a", "b")
		a, b := e.all["a"], e.all["b"]
		b.Stop()
		unsubscribe, _ := b.bus.Subscribe("sockgate.test.ask.*.b", func(_ string, data []byte) {
			ask := new(fleetv1.Envelope)
			if _ = proto.Unmarshal(data, ask); ask.GetRequest() == nil {
				return
			}
			for n := range 2 * exchange.WindowItems {
				item, _ := proto.Marshal(&fleetv1.Item{Number: uint64(n + 1)})
				data, _ := proto.Marshal(&fleetv1.Envelope{Id: ask.GetId(), Body: &fleetv1.Envelope_Item{Item: item}})
				_ = b.bus.Publish("sockgate.test.answer.b.a", data)
			}
		})
		defer unsubscribe()
		s := a.Follow(t.Context(), a.Roster.Member("b"), exchange.Question{Method: flow})
		defer s.Close()
		synctest.Wait()
		if end, items := nextEnd(t, s); len(items) != exchange.WindowItems || end.Status != pb.NodeStatus_NODE_STATUS_ERROR {
			t.Errorf("%d items, ended with %+v", len(items), end)
		}
	})
}

// TestOnlyWhoIsFollowedSpeaks checks that another node can neither put an item into a stream nor end it.
func TestOnlyWhoIsFollowedSpeaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExchanges(t, "a", "b", "c")
		a, source := e.all["a"], newSource(e.all["b"])
		item, _ := proto.Marshal(&fleetv1.Item{Number: 1, Body: []byte("not genuine")})
		reply, _ := proto.Marshal(&fleetv1.Reply{Incarnation: e.all["b"].Self.Incarnation,
			Status: pb.NodeStatus_NODE_STATUS_OK})
		e.loop.Spy(func(place, _ string, data []byte) {
			if ask := new(fleetv1.Envelope); place == "a" && proto.Unmarshal(data, ask) == nil && ask.GetRequest() != nil {
				a.HearAnswer("c", envelope(&fleetv1.Envelope{Id: ask.GetId(), Body: &fleetv1.Envelope_Item{Item: item}}))
				a.HearAnswer("c", envelope(&fleetv1.Envelope{Id: ask.GetId(), Body: &fleetv1.Envelope_Reply{Reply: reply}}))
			}
		})
		s := a.Follow(t.Context(), a.Roster.Member("b"), exchange.Question{Method: flow})
		defer s.Close()
		source.items <- []byte("genuine")
		close(source.items)
		if end, items := nextEnd(t, s); strings.Join(items, ",") != "genuine" || end.Status != pb.NodeStatus_NODE_STATUS_OK {
			t.Errorf("%q, then %+v", items, end)
		}
	})
}

// TestItemsThatComeTwice checks that an item is taken once.
func TestItemsThatComeTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExchanges(t, "a", "b")
		a, source := e.all["a"], newSource(e.all["b"])
		e.loop.Spy(func(place, _ string, data []byte) {
			if place == "b" && bytes.Contains(data, []byte("item")) {
				data = bytes.Clone(data)
				go func() { a.HearAnswer("b", data) }()
			}
		})
		s := a.Follow(t.Context(), a.Roster.Member("b"), exchange.Question{Method: flow})
		defer s.Close()
		for n := range 3 {
			source.items <- fmt.Append(nil, "item ", n)
			synctest.Wait()
		}
		close(source.items)
		if end, items := nextEnd(t, s); strings.Join(items, ",") != "item 0,item 1,item 2" ||
			end.Status != pb.NodeStatus_NODE_STATUS_OK {
			t.Errorf("%q, then %+v", items, end)
		}
	})
}

// TestNoRoomForAnItem checks that a stream ends with OVERLOADED when there is no room for an item, that the node is
// told, and that the items before it can be taken.
func TestNoRoomForAnItem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExchanges(t, "a", "b")
		source := newSource(e.all["b"])
		var sizes []int
		room := func(size int) bool {
			sizes = append(sizes, size)
			return size < 3
		}
		s := e.all["a"].Follow(t.Context(), e.all["a"].Roster.Member("b"), exchange.Question{Method: flow, Room: room})
		defer s.Close()
		for _, item := range []string{"1", "22", "333"} {
			source.items <- []byte(item)
		}
		synctest.Wait()
		end, items := nextEnd(t, s)
		if end.Status != pb.NodeStatus_NODE_STATUS_OVERLOADED || len(items) != 2 || len(sizes) != 3 {
			t.Errorf("ended with %+v after %q; asked for %v", end, items, sizes)
		}
		<-source.ended
	})
}
