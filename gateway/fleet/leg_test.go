package fleet

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/internal/exchange"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestStreamOfUnreachable checks a stream that begins while a node cannot be asked. It skips no event that happens at
// that node from then on.
func TestStreamOfUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a", "b")
		w.at("b").append(5)
		w.at("b").state(pb.NodeState_NODE_STATE_UNREACHABLE)
		c := open(t, w.at("a"), &pb.StreamEventsRequest{})
		if first := c.next(t); vectorOf(t, first)["b"] != "b.19ab01@5" {
			t.Errorf("it begins at %s", first.GetCursor())
		}
		w.at("b").append(2)
		w.at("b").state(pb.NodeState_NODE_STATE_LIVE)
		if got := c.until(t, shows("b:7")); story(got...) != "b:6 b:7" {
			t.Errorf("got %s", story(got...))
		}
	})
}

// TestStreamOfJoined checks that a node that joins later is followed from the oldest event that it keeps.
func TestStreamOfJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a", "b")
		w.at("b").append(5)
		w.at("b").forget(true)
		c := open(t, w.at("a"), &pb.StreamEventsRequest{})
		if first := c.next(t); first.GetCursor() != "a.19ab01@0" {
			t.Errorf("it begins at %s", first.GetCursor())
		}
		w.at("b").forget(false)
		if got := c.until(t, shows("b:5")); story(got...) != "b:1 b:2 b:3 b:4 b:5" {
			t.Errorf("got %s", story(got...))
		}
	})
}

// TestStreamGoesOn checks that a broken stream is reopened after the last delivered event, with growing pauses.
func TestStreamGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a", "b")
		b := w.at("b")
		c := open(t, w.at("a"), &pb.StreamEventsRequest{})
		c.next(t)
		b.append(1)
		c.until(t, shows("b:1"))
		for _, s := range []pb.NodeStatus{pb.NodeStatus_NODE_STATUS_TIMED_OUT, pb.NodeStatus_NODE_STATUS_UNREACHABLE,
			pb.NodeStatus_NODE_STATUS_OVERLOADED,
			pb.NodeStatus_NODE_STATUS_ERROR} {
			head := b.log.Head().Sequence
			b.drop(s)
			b.append(2)
			got := c.until(t, shows(wordOf("b", head+2)))
			if story(got...) != wordOf("b", head+1)+" "+wordOf("b", head+2) {
				t.Errorf("after %v: %s", s, story(got...))
			}
		}
		b.refuse(func(*pb.StreamEventsRequest) *exchange.StreamEnd {
			return &exchange.StreamEnd{Answer: exchange.Answer{Node: "b", Status: pb.NodeStatus_NODE_STATUS_OVERLOADED}}
		})
		before := len(b.asked())
		b.drop(pb.NodeStatus_NODE_STATUS_TIMED_OUT)
		for range 12 { // a minute of heartbeats
			c.next(t)
		}
		if n := len(b.asked()) - before; n < 10 || n > 40 {
			t.Errorf("a node that is overloaded was asked %d times in a minute", n)
		}
	})
}

// TestStreamOfRefusing checks that the caller is told at once, once, and why, if a node does not serve its stream, and
// that the node's events all come when it does.
func TestStreamOfRefusing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a", "b")
		b := w.at("b")
		b.refuse(func(*pb.StreamEventsRequest) *exchange.StreamEnd {
			return &exchange.StreamEnd{Answer: exchange.Answer{Node: "b", Status: pb.NodeStatus_NODE_STATUS_OVERLOADED,
				Message: "the share of x is used up"}}
		})
		b.append(2)
		began := time.Now()
		c := open(t, w.at("a"), &pb.StreamEventsRequest{After: "0", Types: []pb.EventType{pb.EventType_EVENT_TYPE_LISTENING}})
		got := c.until(t, shows("b:GAP(NODE_SILENT,0-0)"))
		e := got[len(got)-1].GetEvents()[0]
		if time.Since(began) > time.Second || !strings.Contains(e.GetGap().GetMessage(), "OVERLOADED: the share of x") {
			t.Errorf("after %s: %v", time.Since(began), e)
		}
		for range 12 { // a minute of heartbeats
			if r := c.next(t); len(r.GetEvents()) > 0 {
				t.Errorf("told again: %v", r)
			}
		}
		b.refuse(nil)
		if got := c.until(t, shows("b:2")); story(got...) != "b:1 b:2" {
			t.Errorf("got %s", story(got...))
		}
	})
}

func wordOf(node string, sequence uint64) string {
	return word(&pb.Event{Node: node, Sequence: sequence})
}

// TestStreamOfSilent checks that a silent stream, without even a heartbeat, is reopened, and that the caller is told.
func TestStreamOfSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a", "b")
		b := w.at("b")
		b.mute(true)
		c := open(t, w.at("a"), &pb.StreamEventsRequest{})
		c.next(t)
		b.append(1)
		synctest.Wait()
		b.mute(false)
		if got := c.until(t, shows("b:1")); story(got...) != "b:GAP(NODE_SILENT,0-0) b:1" {
			t.Errorf("got %s", story(got...))
		}
	})
}

// TestStreamOfRestarted checks that the node itself tells of its restart, and that the events of its new life all come.
func TestStreamOfRestarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a", "b")
		w.at("b").append(3)
		c := open(t, w.at("a"), &pb.StreamEventsRequest{})
		c.next(t)
		w.at("b").append(1)
		c.until(t, shows("b:4"))
		w.at("b").restart()
		got := c.until(t, shows("b:1"))
		if story(got...) != "b:GAP(RESTARTED,0-0) b:1" {
			t.Errorf("got %s", story(got...))
		}
		if at := vectorOf(t, got[len(got)-1])["b"]; at != "b.19ab02@1" {
			t.Errorf("it resumes at %s", at)
		}
	})
}

// TestStreamOfLost checks the news of a node that has gone for good: a GAP for its known events that were not
// delivered, and nothing if all were. After that the node has no entry.
func TestStreamOfLost(t *testing.T) {
	gone := map[string]func(*place){
		"LEFT": func(p *place) { p.state(pb.NodeState_NODE_STATE_LEFT) },
		"forgotten": func(p *place) {
			p.state(pb.NodeState_NODE_STATE_UNREACHABLE)
			synctest.Wait()
			p.forget(true)
		},
	}
	for name, goes := range gone {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld("a", "b")
				b := w.at("b")
				c := open(t, w.at("a"), &pb.StreamEventsRequest{})
				c.next(t)
				b.append(2)
				c.until(t, shows("b:2"))
				b.mute(true)
				b.drop(pb.NodeStatus_NODE_STATUS_TIMED_OUT)
				b.append(3)
				goes(b)
				got := c.until(t, func(r *pb.StreamEventsResponse) bool { return vectorOf(t, r)["b"] == "" })
				if story(got...) != "b:GAP(NODE_LOST,3-5)" {
					t.Errorf("got %q", story(got...))
				}
				if len(got[len(got)-1].GetEvents()) == 0 {
					t.Fatalf("got %v", got)
				}
				e := got[len(got)-1].GetEvents()[0]
				if e.GetIncarnation() != "19ab01" || e.GetSequence() != 2 || e.GetTime() == nil {
					t.Errorf("the GAP is %v", e)
				}
			})
		})
		t.Run(name+", told everything", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld("a", "b")
				c := open(t, w.at("a"), &pb.StreamEventsRequest{})
				c.next(t)
				w.at("b").append(2)
				c.until(t, shows("b:2"))
				goes(w.at("b"))
				got := c.until(t, func(r *pb.StreamEventsResponse) bool { return vectorOf(t, r)["b"] == "" })
				if story(got...) != "" {
					t.Errorf("got %s", story(got...))
				}
			})
		})
	}
}

// TestStreamOfEndedLog checks that the end of another node's log ends only that node's part. All its events came, and
// the node is not asked again.
func TestStreamOfEndedLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a", "b")
		b := w.at("b")
		c := open(t, w.at("a"), &pb.StreamEventsRequest{Types: []pb.EventType{pb.EventType_EVENT_TYPE_LISTENING}})
		c.next(t)
		b.append(1)
		c.until(t, shows("b:1"))
		// Not selected, and after the last position that is told.
		b.log.Append(&event.Event{Type: event.DrainEnded, Detail: &event.DrainDetail{}})
		b.log.Close()
		b.beat()
		asked := len(b.asked())
		for range 5 {
			c.next(t) // heartbeats
		}
		if n := len(b.asked()); n != asked {
			t.Errorf("a node whose log has ended was asked %d times more", n-asked)
		}
		b.state(pb.NodeState_NODE_STATE_LEFT)
		got := c.until(t, func(r *pb.StreamEventsResponse) bool { return vectorOf(t, r)["b"] == "" })
		if story(got...) != "" {
			t.Errorf("got %s", story(got...))
		}
		w.at("a").append(1)
		c.until(t, shows("a:1"))
		b.restart()
		c.until(t, shows("b:1"))
	})
}

// TestStreamOfNextLife checks that a node whose log has ended is followed in its next life, even if no node heard that
// it left.
func TestStreamOfNextLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a", "b")
		b := w.at("b")
		c := open(t, w.at("a"), &pb.StreamEventsRequest{})
		c.next(t)
		for range 2 {
			b.append(1)
			b.log.Close()
			c.until(t, shows(wordOf("b", b.log.Head().Sequence)))
			b.restart()
			if got := c.until(t, shows("b:1")); story(got...) != "b:GAP(RESTARTED,0-0) b:1" {
				t.Errorf("got %s", story(got...))
			}
		}
	})
}

// TestStreamOfReturned checks that a node that was forgotten and comes back in the same life goes on after the last
// event that was told.
func TestStreamOfReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a", "b")
		b := w.at("b")
		c := open(t, w.at("a"), &pb.StreamEventsRequest{})
		c.next(t)
		b.append(2)
		c.until(t, shows("b:2"))
		b.state(pb.NodeState_NODE_STATE_UNREACHABLE)
		b.append(1)
		b.forget(true)
		c.until(t, func(r *pb.StreamEventsResponse) bool { return vectorOf(t, r)["b"] == "" })
		b.world.mu.Lock()
		b.member.State = pb.NodeState_NODE_STATE_LIVE
		b.world.mu.Unlock()
		b.beat()
		b.forget(false)
		if got := c.until(t, shows("b:3")); story(got...) != "b:3" {
			t.Errorf("got %s", story(got...))
		}
	})
}

// TestStreamOfReturnedWhileStalled checks that a node that was forgotten and came back while the caller took nothing is
// followed again.
func TestStreamOfReturnedWhileStalled(t *testing.T) {
	for range 20 { // chance decides what the stream learns first
		synctest.Test(t, func(t *testing.T) {
			w := newWorld("a", "b")
			b := w.at("b")
			c := open(t, w.at("a"), &pb.StreamEventsRequest{})
			c.next(t)
			w.at("a").append(1)
			synctest.Wait()
			b.state(pb.NodeState_NODE_STATE_UNREACHABLE)
			synctest.Wait()
			b.forget(true)
			time.Sleep(time.Second)
			b.world.mu.Lock()
			b.member.State = pb.NodeState_NODE_STATE_LIVE
			b.world.mu.Unlock()
			b.forget(false)
			b.append(1)
			synctest.Wait()
			c.until(t, shows("b:1"))
		})
	}
}

// TestStreamResumesBehindLost checks that a cursor of a node that has left is answered as an open stream would have
// been.
func TestStreamResumesBehindLost(t *testing.T) {
	for after, want := range map[string]string{
		"a.19ab01@0,b.19ab01@2": "b:GAP(NODE_LOST,3-5)",
		"a.19ab01@0,b.19ab01@5": "",
		"a.19ab01@0,b.19aaff@9": "b:GAP(RESTARTED,0-0) b:GAP(NODE_LOST,1-5)",
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld("a", "b")
			w.at("b").append(5)
			w.at("b").state(pb.NodeState_NODE_STATE_LEFT)
			c := open(t, w.at("a"), &pb.StreamEventsRequest{After: after})
			got := c.until(t, func(r *pb.StreamEventsResponse) bool { return vectorOf(t, r)["b"] == "" })
			if story(got...) != want {
				t.Errorf("after %s: %q; expected %q", after, story(got...), want)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) { // a life later than the known one has not left
		w := newWorld("a", "b")
		w.at("b").append(5)
		w.at("b").state(pb.NodeState_NODE_STATE_LEFT)
		c := open(t, w.at("a"), &pb.StreamEventsRequest{After: "b.19ab02@0"})
		for range 3 {
			if r := c.next(t); story(r) != "" || vectorOf(t, r)["b"] != "b.19ab02@0" {
				t.Errorf("got %v", r)
			}
		}
		w.at("b").restart()
		if got := c.until(t, shows("b:1")); story(got...) != "b:1" {
			t.Errorf("got %s", story(got...))
		}
	})
}

// TestStreamOfStalledLost checks the range that is lost if a node goes while its leg is held up: it ends at the last
// event that the other nodes heard of.
func TestStreamOfStalledLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a", "b")
		b := w.at("b")
		c := open(t, w.at("a"), &pb.StreamEventsRequest{})
		c.next(t)
		for range 50 {
			b.append(1)
			time.Sleep(100 * time.Millisecond)
		}
		b.state(pb.NodeState_NODE_STATE_SUSPECT)
		synctest.Wait()
		b.state(pb.NodeState_NODE_STATE_UNREACHABLE)
		synctest.Wait()
		b.forget(true)
		synctest.Wait()
		told := uint64(0)
		for _, r := range c.until(t, func(r *pb.StreamEventsResponse) bool { return vectorOf(t, r)["b"] == "" }) {
			for _, e := range r.GetEvents() {
				if gap := e.GetGap(); gap != nil {
					if gap.GetFrom() != told+1 {
						t.Errorf("%s comes behind %d", word(e), told)
					}
					told = gap.GetTo()
					continue
				}
				told = e.GetSequence()
			}
		}
		if told != 50 {
			t.Errorf("told up to %d of 50", told)
		}
	})
}
