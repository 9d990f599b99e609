package fleet

import (
	"context"
	"fmt"
	"maps"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/event"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// StreamCall is a StreamEvents call. Each response waits until the test takes it.
type StreamCall struct {
	grpc.ServerStream
	ctx    context.Context
	HangUp context.CancelFunc
	Sent   chan *pb.StreamEventsResponse
	Result chan error
}

// CallStream calls StreamEvents at a node.
func CallStream(n *Node, r *pb.StreamEventsRequest) *StreamCall {
	ctx, cancel := context.WithCancel(context.Background())
	c := &StreamCall{ctx: ctx, HangUp: cancel, Sent: make(chan *pb.StreamEventsResponse), Result: make(chan error, 1)}
	go func() { c.Result <- n.StreamEvents(r, c) }()
	return c
}

// Context returns the call's context.
func (c *StreamCall) Context() context.Context { return c.ctx }

// Send receives the bytes that go over the wire.
func (c *StreamCall) Send(r *pb.StreamEventsResponse) error {
	b, err := proto.Marshal(r)
	if err != nil {
		return err
	}
	decoded := new(pb.StreamEventsResponse)
	if err := proto.Unmarshal(b, decoded); err != nil {
		return err
	}
	select {
	case c.Sent <- decoded:
		return nil
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
}

// StreamCheck checks responses as a careful caller does. For each life of each node the sequences and the GAPs are in
// order and dense. A new life follows a GAP that announces it. The cursor is exactly after the events that were told. A
// StreamCheck can go on with the responses of the next call.
type StreamCheck struct {
	Told  map[string]event.Cursor // by node, the position up to which it was told
	After string                  // the last cursor
	// Over returns the last sequence of a life that ended in an orderly way, or was forgotten. Nothing need be told after
	// it.
	Over func(life event.Origin) (last uint64, ok bool)
	// Passed reports whether the caller selects none of a life's events between two sequences, both included.
	Passed func(life event.Origin, from, to uint64) bool
	// Left checks that a node may leave the cursor. It returns an error text, or "".
	Left func(node string, told event.Cursor) string
}

// Response checks a response and returns an error text, or "".
func (s *StreamCheck) Response(r *pb.StreamEventsResponse) string {
	gone := maps.Clone(s.Told)
	for _, e := range r.GetEvents() {
		if wrong := s.event(e); wrong != "" {
			return wrong
		}
	}
	s.After = r.GetCursor()
	if s.After == "0" {
		return ""
	}
	v, err := event.ParseVector(s.After)
	if err != nil {
		return err.Error()
	}
	for _, c := range v {
		delete(gone, c.Node)
		if told, has := s.Told[c.Node]; has && told.Incarnation != "gone" && !s.over(told) && !s.follows(told, c.Origin,
			c.Sequence+1) {
			return fmt.Sprintf("the cursor has %s behind %v: %s", c, told, story(r))
		}
		s.Told[c.Node] = c
	}
	for name, told := range gone { // if it comes back, it begins again
		if told.Incarnation == "gone" {
			continue
		}
		if wrong := s.Left(name, s.Told[name]); wrong != "" {
			return wrong
		}
		s.Told[name] = event.Cursor{Origin: event.Origin{Node: name, Incarnation: "gone"}}
	}
	return ""
}

// over reports whether a life is over and everything in it was told.
func (s *StreamCheck) over(told event.Cursor) bool {
	last, ok := s.Over(told.Origin)
	return ok && told.Sequence >= last
}

// follows reports whether a sequence of a life is the next one that must be told.
func (s *StreamCheck) follows(told event.Cursor, life event.Origin, sequence uint64) bool {
	if told.Origin != life || sequence <= told.Sequence {
		return false
	}
	return sequence == told.Sequence+1 || s.Passed != nil && s.Passed(life, told.Sequence+1, sequence-1)
}

// event checks that an event follows the ones that were told.
func (s *StreamCheck) event(e *pb.Event) string {
	told := s.Told[e.GetNode()]
	life := event.Origin{Node: e.GetNode(), Incarnation: e.GetIncarnation()}
	from, to := e.GetSequence(), e.GetSequence()
	if gap := e.GetGap(); gap != nil {
		if gap.GetReason() == pb.GapReason_GAP_REASON_NODE_SILENT { // the events come later, or a GAP with their range
			return ""
		}
		from, to = gap.GetFrom(), gap.GetTo()
		if gap.GetReason() == pb.GapReason_GAP_REASON_RESTARTED {
			from, to, told = 0, 0, event.Cursor{Origin: life}
		}
	}
	begins := told.Incarnation == "" || told.Incarnation == "gone" || told.Origin != life && s.over(told)
	if to > 0 && !begins && !s.follows(told, life, from) {
		return fmt.Sprintf("%s of life %s comes behind %v", word(e), e.GetIncarnation(), told)
	}
	s.Told[e.GetNode()] = event.Cursor{Origin: life, Sequence: to}
	return ""
}
