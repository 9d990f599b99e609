package fleet

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/event"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// forge makes the node send a response of the test on each stream, in place of its own.
func (p *place) forge(r *pb.StreamEventsResponse) {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	p.forged = nil
	if r != nil {
		p.forged, _ = proto.Marshal(r)
		p.forged = append([]byte{}, p.forged...)
	}
}

// violationsOf returns the NODE_VIOLATION events of a node.
func violationsOf(t *testing.T, p *place) (all []*event.NodeDetail) {
	t.Helper()
	sub, err := p.log.Subscribe(event.Options{After: "0", Types: event.Types(0).With(event.NodeViolation)})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	for _, e := range sub.Poll(nil) {
		all = append(all, e.Detail.(*event.NodeDetail))
	}
	return all
}

// TestEventsAreAboutTheirNode checks that no event that a node may not send reaches a caller. The caller gets a GAP of
// that node with the reason, once, and an event names the node, at most one in ten seconds. The events of the others
// come as before.
func TestEventsAreAboutTheirNode(t *testing.T) {
	own := func(change func(*pb.Event)) *pb.StreamEventsResponse {
		e := &pb.Event{Node: "b", Incarnation: "19ab01", Sequence: 1, Type: pb.EventType_EVENT_TYPE_CONTROL}
		change(e)
		return &pb.StreamEventsResponse{Events: []*pb.Event{e}, Cursor: "b.19ab01@1"}
	}
	control := &pb.Event_Control{Control: &pb.ControlDetails{Verb: "Forged"}}
	for name, c := range map[string]struct {
		forged   *pb.StreamEventsResponse
		snapshot bool
	}{
		"audit of another node": {forged: own(func(e *pb.Event) { e.Node, e.Details = "a", control })},
		"no node":               {forged: own(func(e *pb.Event) { e.Node = "" })},
		"another life":          {forged: own(func(e *pb.Event) { e.Incarnation = "19ab02" })},
		"connection of another": {forged: own(func(e *pb.Event) {
			e.Type, e.Connection = pb.EventType_EVENT_TYPE_CLOSED, &pb.Connection{Id: "a.19ab01.1", Node: "a"}
		})},
		"news of another node": {forged: own(func(e *pb.Event) {
			e.Type, e.Details = pb.EventType_EVENT_TYPE_NODE_LEFT, &pb.Event_Member{Member: &pb.NodeDetails{Node: "a"}}
		})},
		"details of another type": {forged: own(func(e *pb.Event) {
			e.Type, e.Details = pb.EventType_EVENT_TYPE_CLOSED, control
		})},
		"stall as a lane": {forged: own(func(e *pb.Event) {
			e.Type, e.Details = pb.EventType_EVENT_TYPE_HANDLER_DETACHED, &pb.Event_Stalled{Stalled: &pb.StalledDetails{}}
		})},
		"lane as a stall": {forged: own(func(e *pb.Event) {
			e.Type, e.Details = pb.EventType_EVENT_TYPE_HANDLER_STALLED, &pb.Event_Handler{Handler: &pb.HandlerDetails{}}
		})},
		"stall of another": {forged: own(func(e *pb.Event) {
			e.Type, e.Connection = pb.EventType_EVENT_TYPE_HANDLER_STALLED, &pb.Connection{Id: "a.19ab01.1", Node: "a"}
		})},
		"present": {forged: own(func(e *pb.Event) { e.Type = pb.EventType_EVENT_TYPE_PRESENT })},
		"summary": {forged: own(func(e *pb.Event) {
			e.Type = pb.EventType_EVENT_TYPE_SNAPSHOT_COMPLETE
			e.Details = &pb.Event_SnapshotComplete{SnapshotComplete: &pb.SnapshotCompleteDetails{MissingNodes: []string{"a"}}}
		})},
		"gap of another": {forged: own(func(e *pb.Event) {
			e.Type, e.Details = pb.EventType_EVENT_TYPE_GAP, &pb.Event_Gap{Gap: &pb.GapDetails{RequestedCursor: "a.1@1"}}
		})},
		"type of no version": {forged: own(func(e *pb.Event) { e.Type = 77 })},
		"type beyond a byte": {forged: own(func(e *pb.Event) { e.Type = 256 + 14 })},
		"cursor of another":  {forged: &pb.StreamEventsResponse{Cursor: "a.19ab01@1"}},
		"cursor of two":      {forged: &pb.StreamEventsResponse{Cursor: "a.19ab01@1,b.19ab01@1"}},
		"cursor of a life":   {forged: &pb.StreamEventsResponse{Cursor: "b.19ab77@1"}},
		"no cursor":          {forged: &pb.StreamEventsResponse{}},
		"large text": {forged: own(func(e *pb.Event) {
			e.Details = &pb.Event_Control{Control: &pb.ControlDetails{Verb: strings.Repeat("x", 5000)}}
		})},
		"via no node":        {forged: own(func(e *pb.Event) { e.Details = &pb.Event_Control{Control: &pb.ControlDetails{ViaNode: "a\nb"}} })},
		"live in a snapshot": {own(func(e *pb.Event) {}), true},
		"two summaries": {&pb.StreamEventsResponse{Cursor: "b.19ab01@1",
			Events: slices.Repeat([]*pb.Event{summary()}, 2)}, true},
		"summary on its own":  {&pb.StreamEventsResponse{Events: []*pb.Event{summary()}}, true},
		"present of another":  {own(func(e *pb.Event) { e.Node, e.Type = "a", pb.EventType_EVENT_TYPE_PRESENT }), true},
		"missing in snapshot": {&pb.StreamEventsResponse{Cursor: "b.19ab01@1", Events: []*pb.Event{missingSummary()}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld("a", "b", "c")
				w.at("b").forge(c.forged)
				r := &pb.StreamEventsRequest{After: "0"}
				if c.snapshot {
					r = &pb.StreamEventsRequest{Snapshot: true}
				}
				stream := open(t, w.at("a"), r)
				got := []*pb.StreamEventsResponse{stream.next(t)}
				for began := time.Now(); time.Since(began) < 4*time.Second; { // the second event comes after ten
					got = append(got, stream.next(t))
				}
				w.at("c").append(1)
				got = append(got, stream.until(t, shows("c:1"))...)
				gaps := 0
				for _, e := range eventsOf(got) {
					if e.GetNode() == "b" && e.GetGap().GetReason() != pb.GapReason_GAP_REASON_NODE_SILENT ||
						e.GetControl().GetVerb() == "Forged" {
						t.Errorf("passed on: %v", e)
					} else if e.GetNode() == "b" {
						gaps++
					}
				}
				v := violationsOf(t, w.at("a"))
				if len(v) != 1 || v[0].Node.Node != "b" || v[0].Count != 1 || gaps != 1 && !c.snapshot {
					t.Errorf("%d gaps; published %v of %s", gaps, v, story(got...))
				}
				time.Sleep(violationPeriod)
				if v = violationsOf(t, w.at("a")); len(v) != 2 || v[1].Count < 2 {
					t.Errorf("later published %v", v)
				}
				w.at("b").forge(nil)
				w.at("b").append(1)
				stream.until(t, func(r *pb.StreamEventsResponse) bool {
					return strings.Contains(story(r), "b:1") || strings.Contains(story(r), "b:COMPLETE")
				})
			})
		})
	}
}

func summary() *pb.Event {
	return &pb.Event{Node: "b", Incarnation: "19ab01", Type: pb.EventType_EVENT_TYPE_SNAPSHOT_COMPLETE}
}

func missingSummary() *pb.Event {
	e := summary()
	e.Details = &pb.Event_SnapshotComplete{SnapshotComplete: &pb.SnapshotCompleteDetails{MissingNodes: []string{"a"}}}
	return e
}

func eventsOf(responses []*pb.StreamEventsResponse) (all []*pb.Event) {
	for _, r := range responses {
		all = append(all, r.GetEvents()...)
	}
	return all
}
