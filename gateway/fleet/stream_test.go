package fleet

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/internal/exchange"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// shows returns a function that reports whether a response has an event with this word in its story.
func shows(wanted string) func(*pb.StreamEventsResponse) bool {
	return func(r *pb.StreamEventsResponse) bool {
		return slices.Contains(strings.Fields(story(r)), wanted)
	}
}

// vectorOf returns a response's vector as texts by node name.
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

// TestStreamFromNow checks that the first response comes at once, with a position of every node. From then on the
// events of every node come, in the order of that node.
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
		got := c.until(t, func(r *pb.StreamEventsResponse) bool {
			return r.GetCursor() == "a.19ab01@4,b.19ab01@6,c.19ab01@9"
		})
		told := strings.Fields(story(got...))
		slices.Sort(told)
		if strings.Join(told, " ") != "a:4 b:6 c:8 c:9" {
			t.Errorf("got %s", told)
		}
	})
}

// TestStreamOfOneNode checks that a stream of this node alone is the node's own.
func TestStreamOfOneNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a", "b")
		w.at("a").append(2)
		w.at("b").append(2)
		c := open(t, w.at("a"), &pb.StreamEventsRequest{After: "a.19ab01@1,b.19ab01@0", Scope: &pb.Scope{Local: true}})
		got := c.until(t, func(r *pb.StreamEventsResponse) bool {
			return r.GetCursor() == "a.19ab01@2"
		})
		if story(got...) != "a:2" {
			t.Errorf("got %s", story(got...))
		}
		if asked := w.at("b").asked(); len(asked) != 0 {
			t.Errorf("another node was asked %v", asked)
		}
	})
}

// TestStreamResumes checks that each node goes on after its entry in the cursor. A node without an entry begins with
// the oldest event that it keeps. The entry of an unknown node stays.
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

// TestStreamFromTheOldest checks that "0" means the oldest event of every node, and that the first response's cursor
// resumes there too, for any nodes.
func TestStreamFromTheOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a", "b")
		w.at("a").append(2)
		w.at("b").append(1)
		c := open(t, w.at("a"), &pb.StreamEventsRequest{After: "0"})
		if first := c.next(t); first.GetCursor() != "a.19ab01@0" {
			t.Errorf("it begins at %q", first.GetCursor())
		}
		got := c.until(t, func(r *pb.StreamEventsResponse) bool {
			return r.GetCursor() == "a.19ab01@2,b.19ab01@1"
		})
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

// TestStreamAsksOthers checks the requests that other nodes get: the caller's selection, each after the node's own
// position.
func TestStreamAsksOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a", "b")
		wanted := []pb.EventType{pb.EventType_EVENT_TYPE_DATA, pb.EventType_EVENT_TYPE_NODE_LEFT,
			pb.EventType_EVENT_TYPE_CLOSED}
		c := open(t, w.at("a"), &pb.StreamEventsRequest{Types: wanted, Filter: `node == "b"`, IncludeData: true,
			MaxDataBytes: 77, After: "b.19ab01@0"})
		c.next(t)
		synctest.Wait()
		want := &pb.StreamEventsRequest{Types: []pb.EventType{pb.EventType_EVENT_TYPE_DATA, pb.EventType_EVENT_TYPE_CLOSED},
			Filter:      `node == "b"`,
			IncludeData: true, MaxDataBytes: 77, After: "b.19ab01@0"}
		if asked := w.at("b").asked(); len(asked) != 1 || !proto.Equal(asked[0], want) {
			t.Errorf("it was asked %v; expected %v", asked, want)
		}
	})
}

// TestStreamWaitsForItsLegs checks that nothing of a call is left when it has returned.
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

// TestStreamRefused checks that a node that refuses the stream every time ends it with an error that names the node.
func TestStreamRefused(t *testing.T) {
	denied := status.Error(codes.PermissionDenied, "StreamEvents needs the role viewer")
	for name, c := range map[string]struct {
		end  *exchange.StreamEnd
		code codes.Code
		says string
	}{
		"denied": {&exchange.StreamEnd{Answer: exchange.Answer{Node: "b", Status: pb.NodeStatus_NODE_STATUS_DENIED,
			Err: denied}},
			codes.PermissionDenied, "node b: StreamEvents needs"},
		"unsupported": {&exchange.StreamEnd{Answer: exchange.Answer{Node: "b", Status: pb.NodeStatus_NODE_STATUS_UNSUPPORTED,
			Message: "no such method"}},
			codes.Unimplemented, "node b: no such method"},
		"wrong": {&exchange.StreamEnd{Answer: exchange.Answer{Node: "b", Status: pb.NodeStatus_NODE_STATUS_ERROR,
			Err: status.Error(codes.InvalidArgument, "types: 99")}},
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

// TestStreamOfWrongRequest checks that this node alone answers an invalid request, before anything is sent.
func TestStreamOfWrongRequest(t *testing.T) {
	for name, c := range map[string]struct {
		request *pb.StreamEventsRequest
		says    string
	}{
		"filter": {&pb.StreamEventsRequest{Filter: "nonsense("}, "filter"},
		"filter, of another": {&pb.StreamEventsRequest{Filter: "nonsense(", Scope: &pb.Scope{Nodes: []string{"b"}}},
			"filter"},
		"cursor": {&pb.StreamEventsRequest{After: "a.1@2,x"}, `"x" is not a cursor`},
		"ahead":  {&pb.StreamEventsRequest{After: "a.19ab01@7,b.19ab01@0"}, "ahead of the newest event"},
		"node":   {&pb.StreamEventsRequest{Scope: &pb.Scope{Nodes: []string{"a", "q"}}}, `"q"`},
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

// TestStreamAheadOfAnother checks that a cursor ahead of another node's log ends the stream with an error that names
// the node.
func TestStreamAheadOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a", "b")
		s := open(t, w.at("a"), &pb.StreamEventsRequest{After: "a.19ab01@0,b.19ab01@7"})
		err := s.err(t)
		says := status.Convert(err).Message()
		if status.Code(err) != codes.InvalidArgument || !strings.HasPrefix(says, "node b: ") || !strings.Contains(says,
			"ahead") {
			t.Errorf("it ended with %v", err)
		}
	})
}

// TestStreamNeedsAll checks that require_all refuses a stream if a node of the scope is missing.
func TestStreamNeedsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a", "b", "c")
		w.at("c").state(pb.NodeState_NODE_STATE_UNREACHABLE)
		err := open(t, w.at("a"), &pb.StreamEventsRequest{Scope: &pb.Scope{RequireAll: true}}).err(t)
		var p *contract.Problem
		if !errors.As(err, &p) || p.Code != codes.Unavailable || p.Reason != contract.ReasonNodesMissing ||
			p.Metadata["missing"] != "c" {
			t.Errorf("it ended with %#v", err)
		}
		c := open(t, w.at("a"), &pb.StreamEventsRequest{Scope: &pb.Scope{RequireAll: true, Nodes: []string{"a", "b"}}})
		if first := c.next(t); first.GetCursor() != "a.19ab01@0,b.19ab01@0" {
			t.Errorf("without the node, it begins with %v", first)
		}
	})
}

// TestStreamOfSomeNodes checks that a stream of some nodes has events of those alone, and keeps the entries of the
// others.
func TestStreamOfSomeNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a", "b", "c")
		for _, p := range w.places {
			p.append(2)
		}
		c := open(t, w.at("a"), &pb.StreamEventsRequest{After: "a.19ab01@1,b.19ab01@1,c.19ab01@1",
			Scope: &pb.Scope{Nodes: []string{"b"}}})
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

// TestStreamEndsWithOwnLog checks that a stream ends without an error when the log of the asked node ends, after its
// last event.
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

// TestStreamOfMembers checks that events about members come only from the node that is asked. If no other types are
// selected, the other nodes are not followed, and their entries keep up.
func TestStreamOfMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a", "b", "c")
		c := open(t, w.at("a"), &pb.StreamEventsRequest{})
		c.next(t)
		for _, p := range w.places {
			p.log.Append(&event.Event{Type: event.NodeJoined, Detail: &event.NodeDetail{}})
			p.append(1)
		}
		got := c.until(t, func(r *pb.StreamEventsResponse) bool {
			return r.GetCursor() == "a.19ab01@2,b.19ab01@2,c.19ab01@2"
		})
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
		c = open(t, w.at("a"), &pb.StreamEventsRequest{Types: []pb.EventType{pb.EventType_EVENT_TYPE_NODE_JOINED},
			After: "a.19ab01@0,b.19ab01@1,z.77@8"})
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
