package fleet

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestHandlerEventsOfOthers checks that events about another node's remote handlers reach a caller whole, in their
// order, and that only the one about a connection has one.
func TestHandlerEventsOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a", "b")
		stream := open(t, w.at("a"), &pb.StreamEventsRequest{After: "0"})
		appendHandlerEvents(w.at("b"))
		got := eventsOf(stream.until(t, func(r *pb.StreamEventsResponse) bool {
			return vectorOf(t, r)["b"] == "b.19ab01@3"
		}))
		if story(&pb.StreamEventsResponse{Events: got}) != "b:1 b:2 b:3" {
			t.Fatalf("got %v", got)
		}
		attached, stalled, detached := got[0], got[1], got[2]
		if attached.GetType() != pb.EventType_EVENT_TYPE_HANDLER_ATTACHED || attached.GetConnection() != nil ||
			attached.GetHandler().GetInstance() != "pod-1" {
			t.Errorf("%v", attached)
		}
		if stalled.GetType() != pb.EventType_EVENT_TYPE_HANDLER_STALLED || stalled.GetStalled().GetPosition() != 7 ||
			stalled.GetConnection().GetHandlerInstance() != "pod-1" ||
			stalled.GetConnection().GetUnacknowledgedBytes() != 65536 {
			t.Errorf("%v", stalled)
		}
		if detached.GetType() != pb.EventType_EVENT_TYPE_HANDLER_DETACHED || detached.GetHandler().GetHeld() != 1 {
			t.Errorf("%v", detached)
		}
		if v := violationsOf(t, w.at("a")); len(v) != 0 {
			t.Errorf("published %v", v)
		}
	})
}

// appendHandlerEvents publishes the life of a lane.
func appendHandlerEvents(p *place) {
	origin := p.log.Origin()
	conn := event.Connection{Identity: &event.Identity{Origin: &origin, Listener: &event.Listener{Name: "main"}, Seq: 1},
		Instance: "pod-1", Unacknowledged: 65536}
	p.log.Append(&event.Event{Type: event.HandlerAttached,
		Detail: &event.HandlerDetail{Handler: "jt808", Instance: "pod-1", Lane: 1, Lanes: 1}})
	p.log.Append(&event.Event{Type: event.HandlerStalled, Conn: conn, Detail: &event.StalledDetail{Instance: "pod-1",
		Stalled: 30 * time.Second, Unacknowledged: 65536, Position: 7}})
	p.log.Append(&event.Event{Type: event.HandlerDetached,
		Detail: &event.HandlerDetail{Handler: "jt808", Instance: "pod-1", Lane: 1, Connections: 1, Held: 1}})
	p.beat()
}
