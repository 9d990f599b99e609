package fleet

import (
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestStreamBatches checks the bounds of a response: 256 events, 20 ms between two responses that are not full, and a
// heartbeat after 5 s.
func TestStreamBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a", "b", "c")
		c := open(t, w.at("a"), &pb.StreamEventsRequest{})
		c.next(t)
		began := time.Now()
		if r := c.next(t); len(r.GetEvents()) != 0 || time.Since(began) != contract.Heartbeat {
			t.Errorf("after %s: %v; expected a heartbeat", time.Since(began), r)
		}
		time.Sleep(time.Second) // the node's own stream has just sent a heartbeat too
		w.at("b").append(1)
		began = time.Now()
		if r := c.next(t); len(r.GetEvents()) != 1 || time.Since(began) != 0 {
			t.Errorf("after %s: %v; expected the first event at once", time.Since(began), r)
		}
		go func() { // each node sends at most every 20 ms, and the three do not send at once
			for range 10 {
				for _, p := range w.places {
					p.append(1)
					time.Sleep(7 * time.Millisecond)
				}
			}
		}()
		last := time.Now()
		c.until(t, func(r *pb.StreamEventsResponse) bool {
			if passed := time.Since(last); passed < contract.BatchPeriod {
				t.Errorf("%s after %s", story(r), passed)
			}
			last = time.Now()
			return r.GetCursor() == "a.19ab01@10,b.19ab01@11,c.19ab01@10"
		})
		for range 100 {
			w.at("b").append(1)
			w.at("c").append(1)
		}
		got := c.until(t, func(r *pb.StreamEventsResponse) bool {
			return r.GetCursor() == "a.19ab01@10,b.19ab01@111,c.19ab01@110"
		})
		for _, r := range got {
			if len(r.GetEvents()) > contract.BatchSize {
				t.Errorf("%d events in one response", len(r.GetEvents()))
			}
		}
	})
}

// TestStreamStalls checks that a caller that takes nothing holds up only its own legs. It gets a GAP from each node
// whose ring has meanwhile gone round, and every other event.
func TestStreamStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a", "b")
		c := open(t, w.at("a"), &pb.StreamEventsRequest{})
		c.next(t)
		for range 100 {
			w.at("a").append(100)
			w.at("b").append(100)
			time.Sleep(100 * time.Millisecond)
		}
		synctest.Wait()
		if n := len(w.at("b").asked()); n != 1 {
			t.Errorf("the other node was asked %d times", n)
		}
		got := c.until(t, func(r *pb.StreamEventsResponse) bool {
			return r.GetCursor() == "a.19ab01@10000,b.19ab01@10000"
		})
		told := make(map[string]uint64)
		gaps := make(map[string]int)
		for _, r := range got {
			for _, e := range r.GetEvents() {
				from, to := e.GetSequence(), e.GetSequence()
				if gap := e.GetGap(); gap != nil {
					from, to = gap.GetFrom(), gap.GetTo()
					gaps[e.GetNode()]++
				}
				if from != told[e.GetNode()]+1 {
					t.Fatalf("%s comes behind %d", word(e), told[e.GetNode()])
				}
				told[e.GetNode()] = to
			}
		}
		if told["a"] != 10000 || told["b"] != 10000 || gaps["a"] == 0 || gaps["b"] == 0 {
			t.Errorf("told up to %v with %v gaps", told, gaps)
		}
	})
}

// TestStreamOfForeignPosition checks that a node that sends another node's position moves no position.
func TestStreamOfForeignPosition(t *testing.T) {
	for _, text := range []string{"a.19ab01@7", "b.19ab01@", ""} {
		b := []byte{0x12, byte(len(text))}
		if it, err := decodeItem("b", append(b, text...), allTypes); err == nil {
			t.Errorf("the position %q was taken: %v", text, it)
		}
	}
	if _, err := decodeItem("b", []byte{0x0a, 0x05, 0x01}, allTypes); err == nil {
		t.Error("an item that is cut short was taken")
	}
}

// FuzzDecodeItem checks that a node's item is either refused, or passed on unchanged with a position of that node
// alone.
func FuzzDecodeItem(f *testing.F) {
	for _, r := range []*pb.StreamEventsResponse{{}, {Cursor: "b.1@2"}, {Cursor: "a.1@2"},
		{Events: []*pb.Event{{Node: "b", Sequence: 7}, {}}, Cursor: "b.1@7"}} {
		b, err := proto.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		it, err := decodeItem("b", b, allTypes)
		if err != nil {
			return
		}
		if it.cursor.Node != "b" && it.cursor != (event.Cursor{}) {
			t.Errorf("the position %v was taken of node b", it.cursor)
		}
		var sent, handed pb.StreamEventsResponse
		if proto.Unmarshal(b, &sent) != nil { // an event in it is malformed, which the caller finds out
			return
		}
		if err := proto.Unmarshal(it.events, &handed); err != nil || len(handed.GetEvents()) != it.count ||
			len(sent.GetEvents()) != it.count {
			t.Errorf("%d events were sent, %d handed on, %d counted, %v", len(sent.GetEvents()), len(handed.GetEvents()),
				it.count, err)
		}
	})
}
