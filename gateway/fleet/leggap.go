package fleet

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// lost returns the GAPs for what the node is known to have done last, and what the caller did not get: none when there is nothing. When
// the caller knows only of an earlier life, that is over is told first, as the node itself would.
func (l *leg) lost() []*pb.Event {
	head := l.member.Head
	switch {
	case l.ended == l.member.Incarnation:
		return nil
	case l.told.Incarnation == l.member.Incarnation && l.told.Sequence >= head:
		return nil
	case l.told.Incarnation == l.member.Incarnation:
		return []*pb.Event{l.gap(&pb.GapDetails{From: l.told.Sequence + 1, To: head, Reason: pb.GapReason_GAP_REASON_NODE_LOST})}
	}
	lost := []*pb.Event{l.gap(&pb.GapDetails{Reason: pb.GapReason_GAP_REASON_RESTARTED, RequestedCursor: l.told.String()})}
	if head > 0 {
		lost = append(lost, l.gap(&pb.GapDetails{From: 1, To: head, Reason: pb.GapReason_GAP_REASON_NODE_LOST}))
	}
	return lost
}

// gap returns a GAP that is said in the node's name, as of its life that is known last.
func (l *leg) gap(d *pb.GapDetails) *pb.Event {
	return &pb.Event{Node: l.member.Node, Incarnation: l.member.Incarnation, Sequence: max(d.GetFrom(), 1) - 1, Time: timestamppb.New(time.Now()),
		Type: pb.EventType_EVENT_TYPE_GAP, Details: &pb.Event_Gap{Gap: d}}
}
