package control

import (
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sockgate/sockgate/gateway/event"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// pbEvent converts an event of a node's log.
func pbEvent(e *event.Event, origin event.Origin) *pb.Event {
	out := &pb.Event{
		Node:        origin.Node,
		Incarnation: origin.Incarnation,
		Sequence:    e.Sequence,
		Time:        timestamp(e.Time),
		Type:        pb.EventType(e.Type),
		Connection:  connection(&e.Conn),
	}
	if e.Type == event.Connected {
		out.Details = &pb.Event_Connected{Connected: &pb.ConnectedDetails{Connections: e.Connections}}
	}
	setDetails(out, e)
	return out
}

func setDetails(out *pb.Event, e *event.Event) {
	switch d := e.Detail.(type) {
	case *event.ListenerDetail:
		out.Details = &pb.Event_Listener{Listener: &pb.ListenerDetails{Name: d.Name, Address: d.Address}}
	case *event.DataDetail:
		out.Details = &pb.Event_Data{Data: &pb.DataDetails{Data: d.Bytes, TotalBytes: uint64(d.Total)}}
	case *event.IdleDetail:
		out.Details = &pb.Event_IdleTimeout{IdleTimeout: &pb.IdleTimeoutDetails{Idle: durationpb.New(d.Idle), Closing: d.Closing}}
	case *event.PauseDetail:
		out.Details = &pb.Event_Backpressure{Backpressure: &pb.BackpressureDetails{Paused: durationpb.New(d.Paused), QueuedBytes: d.Queued}}
	case *event.ErrorDetail:
		out.Details = &pb.Event_Error{Error: &pb.ErrorDetails{Operation: pb.ErrorOperation(d.Operation), Message: validText(d.Message), Count: d.Count,
			Listener: d.Listener}}
	case *event.ClosedDetail:
		out.Details = &pb.Event_Closed{Closed: &pb.ClosedDetails{Reason: pb.CloseReason(e.Conn.CloseReason), Lifetime: durationpb.New(d.Lifetime),
			Connections: e.Connections, UnsentBytes: e.Conn.UnsentBytes, DiscardedBytes: e.Conn.DiscardedBytes}}
	case *event.DrainDetail:
		out.Details = &pb.Event_Drain{Drain: &pb.DrainDetails{Deadline: timestamp(d.Deadline), Connections: d.Connections,
			EndedByThemselves: d.Ended, ClosedAtDeadline: d.Closed, Reason: d.Reason}}
	case *event.ControlDetail:
		out.Details = &pb.Event_Control{Control: &pb.ControlDetails{Verb: d.Verb, Actor: d.Actor, Filter: d.Filter, ConnectionIds: d.IDs,
			Reason: d.Reason, RequestId: d.RequestID, Matched: d.Matched, Outcomes: d.Outcomes, DataBytes: d.DataBytes,
			SetLabels: d.Set, RemovedLabels: d.Removed}}
	case *event.GapDetail:
		out.Details = &pb.Event_Gap{Gap: &pb.GapDetails{From: d.From, To: d.To, Reason: pb.GapReason(d.Reason), RequestedCursor: d.Requested,
			DataEvents: d.DataEvents}}
	case *event.SnapshotDetail:
		out.Details = &pb.Event_SnapshotComplete{SnapshotComplete: &pb.SnapshotCompleteDetails{Connections: d.Connections, Cursor: d.Cursor.String()}}
	}
}

// eventTypes converts the types of a request; none means all.
func eventTypes(types []pb.EventType) event.Types {
	var set event.Types
	for _, t := range types {
		set = set.With(event.Type(t))
	}
	return set
}
