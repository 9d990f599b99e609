package fleet

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sockgate/sockgate/gateway/fleet/internal/exchange"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// complete reports whether a response ends a snapshot.
func complete(r *pb.StreamEventsResponse) bool { return strings.Contains(story(r), "COMPLETE") }

// TestSnapshot checks that a snapshot has the connections of all nodes and is complete once. No other event comes
// before that, and no event that happened meanwhile is lost.
func TestSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a", "b", "c")
		for i, p := range w.places {
			p.append(i + 1)
			p.connections(300 * (i + 1))
		}
		c := open(t, w.at("b"), &pb.StreamEventsRequest{Snapshot: true})
		synctest.Wait()
		w.at("a").append(1) // its own part is complete
		w.at("b").append(1)
		synctest.Wait()
		got := c.until(t, complete)
		present := make(map[string]bool)
		for i, r := range got {
			for _, e := range r.GetEvents() {
				switch {
				case e.GetType() == pb.EventType_EVENT_TYPE_PRESENT:
					present[e.GetConnection().GetId()] = true
				case i < len(got)-1 || len(r.GetEvents()) > 1:
					t.Fatalf("%s came before the end", word(e))
				}
			}
			if (i < len(got)-1) != (r.GetCursor() == "") {
				t.Errorf("response %d of %d has the cursor %q", i, len(got), r.GetCursor())
			}
		}
		last := got[len(got)-1]
		if story(last) != "b:COMPLETE(1800,"+last.GetCursor()+",[])" || len(present) != 1800 {
			t.Errorf("%d connections, and %s", len(present), story(last))
		}
		got = c.until(t, func(r *pb.StreamEventsResponse) bool { return r.GetCursor() == "a.19ab01@2,b.19ab01@3,c.19ab01@3" })
		w.at("c").append(1)
		got = append(got, c.until(t, shows("c:4"))...)
		if told := story(got...); told != "a:2 b:3 c:4" && told != "b:3 a:2 c:4" || slices.ContainsFunc(got, complete) {
			t.Errorf("then came %s", story(got...))
		}
	})
}

// TestSnapshotWithout checks that nodes that cannot be asked, or are silent for 5 s, are missing from the snapshot.
// Their connections come once the nodes answer, with a completion of their own.
func TestSnapshotWithout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a", "b", "c", "d")
		for _, p := range w.places {
			p.append(3)
			p.connections(2)
		}
		w.at("b").state(pb.NodeState_NODE_STATE_UNREACHABLE)
		w.at("c").mute(true)
		w.at("d").forget(true)
		began := time.Now()
		c := open(t, w.at("a"), &pb.StreamEventsRequest{Snapshot: true})
		got := []*pb.StreamEventsResponse{c.next(t)}
		w.at("a").append(1) // waits until the snapshot is complete
		got = append(got, c.until(t, complete)...)
		if told := story(got...); told != "a:+a.19ab01.1 a:+a.19ab01.2 a:COMPLETE(2,a.19ab01@3,[b c])" {
			t.Errorf("got %s", told)
		}
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("it took %s", took)
		}
		w.at("a").append(1)
		c.until(t, shows("a:5"))
		w.at("b").state(pb.NodeState_NODE_STATE_LIVE)
		w.at("b").append(1)
		got = c.until(t, complete)
		const present = "b:+b.19ab01.1 b:+b.19ab01.2 "
		if told := story(got...); told != present+"b:COMPLETE(2,b.19ab01@3,[])" &&
			told != present+"b:COMPLETE(2,b.19ab01@4,[])" {
			t.Errorf("then came %s", told)
		}
		for _, r := range got {
			if r.GetCursor() == "" {
				t.Error("a response of the running stream has no cursor")
			}
		}
		w.at("c").mute(false)
		c.until(t, shows("c:COMPLETE(2,c.19ab01@3,[])"))
		w.at("d").forget(false)
		if got := c.until(t, shows("d:3")); !strings.HasSuffix(story(got...), "d:1 d:2 d:3") ||
			strings.Contains(story(got...), "d:+") {
			t.Errorf("of a node that joined: %s", story(got...))
		}
	})
}

// TestSnapshotInterrupted checks that a part that breaks off comes again, whole, when the snapshot is complete.
func TestSnapshotInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a", "b")
		w.at("b").connections(contract.BatchSize * 20)
		c := open(t, w.at("a"), &pb.StreamEventsRequest{Snapshot: true})
		c.next(t)
		synctest.Wait()
		w.at("b").drop(pb.NodeStatus_NODE_STATUS_TIMED_OUT)
		w.at("b").connections(3)
		got := c.until(t, complete)
		if last := got[len(got)-1]; story(last) != "a:COMPLETE(0,a.19ab01@0,[b])" {
			t.Errorf("got %s", story(last))
		}
		if got := c.until(t, complete); story(got...) != "b:+b.19ab01.1 b:+b.19ab01.2 b:+b.19ab01.3 "+
			"b:COMPLETE(3,b.19ab01@0,[])" {
			t.Errorf("then came %s", story(got...))
		}
	})
}

// TestSnapshotOfOthers checks that a snapshot of other nodes, when none answers, has a cursor that skips nothing.
func TestSnapshotOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a", "b")
		w.at("a").connections(3)
		w.at("b").state(pb.NodeState_NODE_STATE_UNREACHABLE)
		scope := &pb.Scope{Nodes: []string{"b"}}
		c := open(t, w.at("a"), &pb.StreamEventsRequest{Snapshot: true, Scope: scope})
		got := c.until(t, complete)
		if story(got...) != "a:COMPLETE(0,0,[b])" || got[len(got)-1].GetCursor() != "0" {
			t.Errorf("got %s at %q", story(got...), got[len(got)-1].GetCursor())
		}
		w.at("b").state(pb.NodeState_NODE_STATE_LIVE)
		w.at("b").mute(true)
		all := open(t, w.at("a"), &pb.StreamEventsRequest{Snapshot: true, Scope: &pb.Scope{RequireAll: true}})
		if err := all.err(t); err == nil || !strings.Contains(err.Error(), "b (TIMED_OUT)") {
			t.Errorf("with require_all it ended with %v", err)
		}
	})
}

// TestSnapshotRefused checks that a snapshot does not complete without a node that refuses: the stream ends.
func TestSnapshotRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a", "b")
		w.at("b").refuse(func(*pb.StreamEventsRequest) *exchange.StreamEnd {
			return &exchange.StreamEnd{Answer: exchange.Answer{Node: "b", Status: pb.NodeStatus_NODE_STATUS_DENIED,
				Message: "it may not"}}
		})
		c := open(t, w.at("a"), &pb.StreamEventsRequest{Snapshot: true})
		for {
			select {
			case r := <-c.Sent:
				if complete(r) {
					t.Fatalf("got %s", story(r))
				}
			case err := <-c.Result:
				if err == nil || !strings.Contains(err.Error(), "node b: it may not") {
					t.Errorf("it ended with %v", err)
				}
				return
			}
		}
	})
}

// TestSnapshotForgotten checks that a snapshot does not wait for a node that goes while it is taken.
func TestSnapshotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a", "b")
		w.at("b").mute(true)
		w.at("b").append(1)
		c := open(t, w.at("a"), &pb.StreamEventsRequest{Snapshot: true})
		synctest.Wait()
		w.at("b").append(4)
		w.at("b").state(pb.NodeState_NODE_STATE_UNREACHABLE)
		synctest.Wait()
		w.at("b").forget(true)
		got := c.until(t, func(r *pb.StreamEventsResponse) bool { return strings.Contains(story(r), "GAP") })
		if told := story(got...); told != "a:COMPLETE(0,a.19ab01@0,[b]) b:GAP(NODE_LOST,2-5)" {
			t.Errorf("got %s", told)
		}
	})
}

// drip sends an item every four seconds.
func (f *fakeStream) drip(ctx context.Context, item []byte) {
	defer close(f.done)
	for {
		select {
		case f.items <- item:
		case <-ctx.Done():
			return
		}
		select {
		case <-time.After(4 * time.Second):
		case <-ctx.Done():
			return
		}
	}
}

// TestSnapshotIsNotHeldUp checks that a node that never completes its part, and is never silent either, is missing from
// the snapshot in time. The events of all other nodes wait for the snapshot.
func TestSnapshotIsNotHeldUp(t *testing.T) {
	row := &pb.Event{Node: "b", Incarnation: "19ab01", Type: pb.EventType_EVENT_TYPE_PRESENT,
		Connection: &pb.Connection{Id: "b.19ab01.1", Node: "b"}}
	junk := &pb.StreamEventsResponse{}
	junk.ProtoReflect().SetUnknown(protowire.AppendBytes(protowire.AppendTag(nil, 77, protowire.BytesType),
		make([]byte, 1<<20)))
	for name, c := range map[string]struct {
		drips *pb.StreamEventsResponse
		most  time.Duration
	}{
		"nothing":               {&pb.StreamEventsResponse{}, 6 * time.Second},
		"a row now and then":    {&pb.StreamEventsResponse{Events: []*pb.Event{row}}, 6 * time.Second},
		"bytes that are no use": {junk, 70 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld("a", "b", "c")
				w.at("b").drips = true
				w.at("b").forge(c.drips)
				began := time.Now()
				stream := open(t, w.at("a"), &pb.StreamEventsRequest{Snapshot: true})
				got := stream.until(t, complete)
				if took := time.Since(began); took > c.most || !strings.HasSuffix(story(got...), "[b])") {
					t.Errorf("after %s: %.200s", took, story(got...))
				}
				w.at("c").append(1)
				stream.until(t, shows("c:1"))
			})
		})
	}
}
