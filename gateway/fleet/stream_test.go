package fleet

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/internal/exchange"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// shows returns whether a response has an event that is told with a word.
func shows(wanted string) func(*pb.StreamEventsResponse) bool {
	return func(r *pb.StreamEventsResponse) bool {
		return slices.Contains(strings.Fields(story(r)), wanted)
	}
}

// vectorOf returns a response's vector, as texts by the nodes' names.
func vectorOf(t testing.TB, r *pb.StreamEventsResponse) map[string]string {
	t.Helper()
	v, err := event.ParseVector(r.GetCursor())
	if err != nil {
		t.Fatalf("cursor %q: %v", r.GetCursor(), err)
	}
	m := make(map[string]string)
	for _, c := range v {
		m[c.Node] = c.String()
	}
	return m
}

// TestStreamFromNow holds that the first response comes at once with a position of every node, and that what happens on any of them from
// then on comes, in the order of that node.
func TestStreamFromNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a", "b", "c")
		w.at("a").append(3)
		w.at("b").append(5)
		w.at("c").append(7)
		c := open(t, w.at("b"), &pb.StreamEventsRequest{})
		first := c.next(t)
		if first.GetCursor() != "a.19ab01@3,b.19ab01@5,c.19ab01@7" || len(first.GetEvents()) != 0 {
			t.Fatalf("the first response is %v", first)
		}
		w.at("c").append(2)
		w.at("a").append(1)
		w.at("b").append(1)
		got := c.until(t, func(r *pb.StreamEventsResponse) bool { return r.GetCursor() == "a.19ab01@4,b.19ab01@6,c.19ab01@9" })
		told := strings.Fields(story(got...))
		slices.Sort(told)
		if strings.Join(told, " ") != "a:4 b:6 c:8 c:9" {
			t.Errorf("got %s", told)
		}
	})
}

// TestStreamOfOneNode holds that a stream of this node alone is the node's own.
func TestStreamOfOneNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a", "b")
		w.at("a").append(2)
		w.at("b").append(2)
		c := open(t, w.at("a"), &pb.StreamEventsRequest{After: "a.19ab01@1,b.19ab01@0", Scope: &pb.Scope{Local: true}})
		got := c.until(t, func(r *pb.StreamEventsResponse) bool { return r.GetCursor() == "a.19ab01@2" })
		if story(got...) != "a:2" {
			t.Errorf("got %s", story(got...))
		}
		if asked := w.at("b").asked(); len(asked) != 0 {
			t.Errorf("another node was asked %v", asked)
		}
	})
}

// TestStreamResumes holds that each node goes on behind its entry; that one without an entry begins with the oldest event that it keeps;
// and that the entry of a node that is not known stays.
func TestStreamResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a", "b", "c")
		w.at("a").append(3)
		w.at("b").append(5)
		w.at("c").append(ringSize + 3)
		c := open(t, w.at("a"), &pb.StreamEventsRequest{After: "b.19ab01@4,a.19ab01@2,z.77@8"})
		first := c.next(t)
		if first.GetCursor() != "a.19ab01@2,b.19ab01@4,z.77@8" {
			t.Errorf("it begins at %s", first.GetCursor())
		}
		got := c.until(t, func(r *pb.StreamEventsResponse) bool {
			return r.GetCursor() == "a.19ab01@3,b.19ab01@5,c.19ab01@259,z.77@8"
		})
		told := strings.Fields(story(got...))
		ordered := slices.Index(told, "c:4") < slices.Index(told, "c:5")
		if len(told) != 1+1+ringSize || !ordered || !slices.Contains(told, "a:3") || !slices.Contains(told, "b:5") {
			t.Errorf("got %d: %s", len(told), told)
		}
	})
}

// TestStreamFromTheOldest holds that "0" is that of every node, and that the first response resumes there too, of whichever nodes.
func TestStreamFromTheOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a", "b")
		w.at("a").append(2)
		w.at("b").append(1)
		c := open(t, w.at("a"), &pb.StreamEventsRequest{After: "0"})
		if first := c.next(t); first.GetCursor() != "a.19ab01@0" {
			t.Errorf("it begins at %q", first.GetCursor())
		}
		got := c.until(t, func(r *pb.StreamEventsResponse) bool { return r.GetCursor() == "a.19ab01@2,b.19ab01@1" })
		if n := len(strings.Fields(story(got...))); n != 3 {
			t.Errorf("got %s", story(got...))
		}
		other := open(t, w.at("a"), &pb.StreamEventsRequest{After: "0", Scope: &pb.Scope{Nodes: []string{"b"}}})
		if first := other.next(t); first.GetCursor() != "0" {
			t.Errorf("of another node alone, it begins at %q", first.GetCursor())
		}
		got = other.until(t, func(r *pb.StreamEventsResponse) bool { return r.GetCursor() == "b.19ab01@1" })
		if story(got...) != "b:1" {
			t.Errorf("of another node alone: %s", story(got...))
		}
	})
}

// TestStreamOfUnreachable holds that of a node that cannot be asked when the stream begins, nothing is skipped that happens from then on.
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

// TestStreamOfJoined holds that a node that joins later is followed from the oldest event that it keeps.
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

// TestStreamGoesOn holds that a stream that breaks is opened again behind what was delivered, and not at once each time.
func TestStreamGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a", "b")
		b := w.at("b")
		c := open(t, w.at("a"), &pb.StreamEventsRequest{})
		c.next(t)
		b.append(1)
		c.until(t, shows("b:1"))
		for _, s := range []pb.NodeStatus{pb.NodeStatus_NODE_STATUS_TIMED_OUT, pb.NodeStatus_NODE_STATUS_UNREACHABLE, pb.NodeStatus_NODE_STATUS_OVERLOADED,
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

func wordOf(node string, sequence uint64) string {
	return word(&pb.Event{Node: node, Sequence: sequence})
}

// TestStreamOfSilent holds that a stream of which nothing comes, not even a heartbeat, is opened again.
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
		if got := c.until(t, shows("b:1")); story(got...) != "b:1" {
			t.Errorf("got %s", story(got...))
		}
	})
}

// TestStreamOfRestarted holds that the node itself tells of its restart, and that its new life comes whole.
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

// TestStreamOfLost holds what is said of a node that has gone for good: a GAP for what is known of it and was not delivered, and nothing
// when everything was. After that it has no entry.
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

// TestStreamOfEndedLog holds that another node's end ends nothing but its part, of which everything came; and that it is not asked again.
func TestStreamOfEndedLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a", "b")
		b := w.at("b")
		c := open(t, w.at("a"), &pb.StreamEventsRequest{Types: []pb.EventType{pb.EventType_EVENT_TYPE_LISTENING}})
		c.next(t)
		b.append(1)
		c.until(t, shows("b:1"))
		b.log.Append(&event.Event{Type: event.DrainEnded, Detail: &event.DrainDetail{}}) // not wanted, and behind the last position that is told
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

// TestStreamOfNextLife holds that a node whose log has ended is followed in its next life, also when nobody heard that it left.
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

// TestStreamOfReturned holds that a node that was forgotten and comes back in the same life goes on behind what was told of it.
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

// TestStreamOfReturnedWhileStalled holds that a node is followed again that was forgotten and came back while the caller took nothing.
func TestStreamOfReturnedWhileStalled(t *testing.T) {
	for range 20 { // which of the two the stream learns first is a matter of chance
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

// TestStreamResumesBehindLost holds that a cursor of a node that has left is answered as a stream that was open would have been.
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
	synctest.Test(t, func(t *testing.T) { // a later life than is known here has not left
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

// TestStreamAsksOthers holds what other nodes are asked: what the caller wants of them, each behind its own position.
func TestStreamAsksOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a", "b")
		wanted := []pb.EventType{pb.EventType_EVENT_TYPE_DATA, pb.EventType_EVENT_TYPE_NODE_LEFT, pb.EventType_EVENT_TYPE_CLOSED}
		c := open(t, w.at("a"), &pb.StreamEventsRequest{Types: wanted, Filter: `node == "b"`, IncludeData: true, MaxDataBytes: 77, After: "b.19ab01@0"})
		c.next(t)
		synctest.Wait()
		want := &pb.StreamEventsRequest{Types: []pb.EventType{pb.EventType_EVENT_TYPE_DATA, pb.EventType_EVENT_TYPE_CLOSED}, Filter: `node == "b"`,
			IncludeData: true, MaxDataBytes: 77, After: "b.19ab01@0"}
		if asked := w.at("b").asked(); len(asked) != 1 || !proto.Equal(asked[0], want) {
			t.Errorf("it was asked %v; expected %v", asked, want)
		}
	})
}

// TestStreamWaitsForItsLegs holds that when a call has returned, nothing of it is left.
func TestStreamWaitsForItsLegs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a", "b", "c", "d", "e", "f", "g", "h")
		c := open(t, w.at("a"), &pb.StreamEventsRequest{})
		c.next(t)
		synctest.Wait()
		c.HangUp()
		<-c.Result
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, p := range w.places {
			if len(p.streams) > 0 {
				t.Errorf("%s is followed still", p.name)
			}
		}
	})
}

// TestStreamRefused holds that a node that will not have the stream, whatever is done, ends it with an error that names the node.
func TestStreamRefused(t *testing.T) {
	denied := status.Error(codes.PermissionDenied, "StreamEvents needs the role viewer")
	for name, c := range map[string]struct {
		end  *exchange.StreamEnd
		code codes.Code
		says string
	}{
		"denied": {&exchange.StreamEnd{Answer: exchange.Answer{Node: "b", Status: pb.NodeStatus_NODE_STATUS_DENIED, Err: denied}},
			codes.PermissionDenied, "node b: StreamEvents needs"},
		"unsupported": {&exchange.StreamEnd{Answer: exchange.Answer{Node: "b", Status: pb.NodeStatus_NODE_STATUS_UNSUPPORTED, Message: "no such method"}},
			codes.Unimplemented, "node b: no such method"},
		"wrong": {&exchange.StreamEnd{Answer: exchange.Answer{Node: "b", Status: pb.NodeStatus_NODE_STATUS_ERROR, Err: status.Error(codes.InvalidArgument, "types: 99")}},
			codes.InvalidArgument, "node b: types: 99"},
	} {
		for _, when := range []string{"at the start", "later"} {
			t.Run(name+" "+when, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld("a", "b")
					b := w.at("b")
					fails := func(*pb.StreamEventsRequest) *exchange.StreamEnd { return c.end }
					if when == "at the start" {
						b.refuse(fails)
					}
					s := open(t, w.at("a"), &pb.StreamEventsRequest{})
					if when == "later" {
						s.next(t)
						b.append(1)
						s.until(t, shows("b:1"))
						b.refuse(fails)
						b.drop(pb.NodeStatus_NODE_STATUS_TIMED_OUT)
					}
					err := s.err(t)
					var p *contract.Problem
					code := status.Code(err)
					if errors.As(err, &p) {
						code = p.Code
					}
					if code != c.code || !strings.Contains(err.Error(), c.says) {
						t.Errorf("it ended with %v; expected %v: %s", err, c.code, c.says)
					}
				})
			})
		}
	}
}

// TestStreamOfWrongRequest holds that a request that is wrong is answered by this node alone, before anything is sent.
func TestStreamOfWrongRequest(t *testing.T) {
	for name, c := range map[string]struct {
		request *pb.StreamEventsRequest
		says    string
	}{
		"filter":             {&pb.StreamEventsRequest{Filter: "nonsense("}, "filter"},
		"filter, of another": {&pb.StreamEventsRequest{Filter: "nonsense(", Scope: &pb.Scope{Nodes: []string{"b"}}}, "filter"},
		"cursor":             {&pb.StreamEventsRequest{After: "a.1@2,x"}, `"x" is not a cursor`},
		"ahead":              {&pb.StreamEventsRequest{After: "a.19ab01@7,b.19ab01@0"}, "ahead of the newest event"},
		"node":               {&pb.StreamEventsRequest{Scope: &pb.Scope{Nodes: []string{"a", "q"}}}, `"q"`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld("a", "b")
				s := open(t, w.at("a"), c.request)
				select {
				case r := <-s.Sent:
					t.Fatalf("it sent %v", r)
				case err := <-s.Result:
					if err == nil || !strings.Contains(err.Error(), c.says) {
						t.Errorf("it ended with %v; expected %s", err, c.says)
					}
				}
				if asked := w.at("b").asked(); len(asked) != 0 {
					t.Errorf("another node was asked %v", asked)
				}
			})
		})
	}
}

// TestStreamAheadOfAnother holds that a cursor that is ahead of another node's log ends the stream with an error that names the node.
func TestStreamAheadOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a", "b")
		s := open(t, w.at("a"), &pb.StreamEventsRequest{After: "a.19ab01@0,b.19ab01@7"})
		err := s.err(t)
		says := status.Convert(err).Message()
		if status.Code(err) != codes.InvalidArgument || !strings.HasPrefix(says, "node b: ") || !strings.Contains(says, "ahead") {
			t.Errorf("it ended with %v", err)
		}
	})
}

// TestStreamNeedsAll holds that require_all has no stream without a node of the scope.
func TestStreamNeedsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a", "b", "c")
		w.at("c").state(pb.NodeState_NODE_STATE_UNREACHABLE)
		err := open(t, w.at("a"), &pb.StreamEventsRequest{Scope: &pb.Scope{RequireAll: true}}).err(t)
		var p *contract.Problem
		if !errors.As(err, &p) || p.Code != codes.Unavailable || p.Reason != contract.ReasonNodesMissing || p.Metadata["missing"] != "c" {
			t.Errorf("it ended with %#v", err)
		}
		c := open(t, w.at("a"), &pb.StreamEventsRequest{Scope: &pb.Scope{RequireAll: true, Nodes: []string{"a", "b"}}})
		if first := c.next(t); first.GetCursor() != "a.19ab01@0,b.19ab01@0" {
			t.Errorf("without the node, it begins with %v", first)
		}
	})
}

// TestStreamOfSomeNodes holds that a stream of some nodes has those alone, and keeps the entries of the others.
func TestStreamOfSomeNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a", "b", "c")
		for _, p := range w.places {
			p.append(2)
		}
		c := open(t, w.at("a"), &pb.StreamEventsRequest{After: "a.19ab01@1,b.19ab01@1,c.19ab01@1", Scope: &pb.Scope{Nodes: []string{"b"}}})
		got := c.until(t, shows("b:2"))
		if story(got...) != "b:2" || got[len(got)-1].GetCursor() != "a.19ab01@1,b.19ab01@2,c.19ab01@1" {
			t.Errorf("got %s up to %s", story(got...), got[len(got)-1].GetCursor())
		}
		w.at("a").append(1)
		w.at("c").append(1)
		for range 3 {
			if r := c.next(t); len(r.GetEvents()) > 0 {
				t.Errorf("got %s", story(r))
			}
		}
		if asked := w.at("c").asked(); len(asked) > 0 {
			t.Errorf("another node was asked %v", asked)
		}
		w.at("a").log.Close()
		if err := c.err(t); err != nil {
			t.Errorf("it ended with %v; expected its end with the node that was asked", err)
		}
	})
}

// TestStreamEndsWithOwnLog holds that a stream ends well with the node that it was asked of, after what that did last.
func TestStreamEndsWithOwnLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a", "b")
		c := open(t, w.at("a"), &pb.StreamEventsRequest{})
		c.next(t)
		w.at("a").append(300)
		w.at("a").log.Close()
		got := c.until(t, shows("a:300"))
		if n := len(strings.Fields(story(got...))); n != 300 && !strings.Contains(story(got...), "GAP") {
			t.Errorf("got %d events", n)
		}
		if err := c.err(t); err != nil {
			t.Errorf("it ended with %v", err)
		}
	})
}

// TestStreamOfMembers holds that events about members come from the node that is asked alone; and that when nothing else is wanted, the
// others are not followed, and their entries keep up.
func TestStreamOfMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a", "b", "c")
		c := open(t, w.at("a"), &pb.StreamEventsRequest{})
		c.next(t)
		for _, p := range w.places {
			p.log.Append(&event.Event{Type: event.NodeJoined, Detail: &event.NodeDetail{}})
			p.append(1)
		}
		got := c.until(t, func(r *pb.StreamEventsResponse) bool { return r.GetCursor() == "a.19ab01@2,b.19ab01@2,c.19ab01@2" })
		told := strings.Fields(story(got...))
		slices.Sort(told)
		if strings.Join(told, " ") != "a:1 a:2 b:2 c:2" {
			t.Errorf("got %s", told)
		}
		for _, r := range w.at("b").asked() {
			if slices.ContainsFunc(r.GetTypes(), ofMembers) || slices.Contains(r.GetTypes(), pb.EventType_EVENT_TYPE_DATA) ||
				!slices.Contains(r.GetTypes(), pb.EventType_EVENT_TYPE_CLOSED) {
				t.Errorf("another node was asked for %v", r.GetTypes())
			}
		}
		asked := len(w.at("b").asked())
		c = open(t, w.at("a"), &pb.StreamEventsRequest{Types: []pb.EventType{pb.EventType_EVENT_TYPE_NODE_JOINED}, After: "a.19ab01@0,b.19ab01@1,z.77@8"})
		c.until(t, shows("a:1"))
		w.at("b").append(3)
		c.until(t, func(r *pb.StreamEventsResponse) bool {
			return r.GetCursor() == "a.19ab01@2,b.19ab01@5,c.19ab01@2,z.77@8"
		})
		w.at("b").state(pb.NodeState_NODE_STATE_LEFT)
		w.at("c").forget(true)
		c.until(t, func(r *pb.StreamEventsResponse) bool { return r.GetCursor() == "a.19ab01@2,z.77@8" })
		if n := len(w.at("b").asked()); n != asked {
			t.Errorf("another node was asked %d times more", n-asked)
		}
	})
}

// TestStreamBatches holds the bounds of a response: 256 events, 20 ms between two that are not full, and a heartbeat after 5 s.
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
		go func() { // each node sends at most every 20 ms, and the three of them not at once
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
		got := c.until(t, func(r *pb.StreamEventsResponse) bool { return r.GetCursor() == "a.19ab01@10,b.19ab01@111,c.19ab01@110" })
		for _, r := range got {
			if len(r.GetEvents()) > contract.BatchSize {
				t.Errorf("%d events in one response", len(r.GetEvents()))
			}
		}
	})
}

// TestStreamStalls holds that a caller that takes nothing holds up the legs and nobody else; and that it gets a GAP of each node that
// went on for longer than its ring, and the rest.
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
		got := c.until(t, func(r *pb.StreamEventsResponse) bool { return r.GetCursor() == "a.19ab01@10000,b.19ab01@10000" })
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

// TestStreamOfStalledLost holds that the range of a node that goes while its leg is held up is right: up to what was heard of it last.
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

// TestStreamOfForeignPosition holds that a node that sends another one's position moves nothing.
func TestStreamOfForeignPosition(t *testing.T) {
	for _, text := range []string{"a.19ab01@7", "b.19ab01@", ""} {
		b := []byte{0x12, byte(len(text))}
		if it, err := decodeItem("b", append(b, text...)); err == nil {
			t.Errorf("the position %q was taken: %v", text, it)
		}
	}
	if _, err := decodeItem("b", []byte{0x0a, 0x05, 0x01}); err == nil {
		t.Error("an item that is cut short was taken")
	}
}

// FuzzDecodeItem holds that whatever a node sends as an item is refused, or handed on as it is and with a position of that node alone.
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
		it, err := decodeItem("b", b)
		if err != nil {
			return
		}
		if it.cursor.Node != "b" && it.cursor != (event.Cursor{}) {
			t.Errorf("the position %v was taken of node b", it.cursor)
		}
		var sent, handed pb.StreamEventsResponse
		if proto.Unmarshal(b, &sent) != nil { // an event in it is not right: that is for the caller to see
			return
		}
		if err := proto.Unmarshal(it.events, &handed); err != nil || len(handed.GetEvents()) != it.count || len(sent.GetEvents()) != it.count {
			t.Errorf("%d events were sent, %d handed on, %d counted, %v", len(sent.GetEvents()), len(handed.GetEvents()), it.count, err)
		}
	})
}
