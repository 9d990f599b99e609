package wire

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sockgate/sockgate/gateway/event"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// EventEncoder encodes the events of one node's log as sockgate.v1.Event, straight to bytes: making messages first
// would cost several times as much. It never changes and may be used from any goroutine.
type EventEncoder struct {
	// Origin is the node and the incarnation of the events.
	Origin event.Origin

	head []byte // the fields of Origin, encoded
}

// NewEventEncoder returns an encoder of the events of one life of a node.
func NewEventEncoder(origin event.Origin) *EventEncoder {
	return &EventEncoder{
		Origin: origin,
		head:   AppendText(AppendText(nil, 1, origin.Node), 2, origin.Incarnation),
	}
}

// AppendEvent appends an event to b, as an element of StreamEventsResponse.events, and returns the longer slice.
func (c *EventEncoder) AppendEvent(b []byte, e *event.Event) []byte {
	b, at := begin(b, 1)
	b = append(b, c.head...)
	b = appendUint(b, 3, e.Sequence)
	b = appendTime(b, 4, e.Time)
	b = appendUint(b, 5, uint64(e.Type))
	if e.Conn.Identity != nil {
		b = appendConnection(b, 6, &e.Conn)
	}
	return end(appendDetail(b, e), at)
}

// appendDetail appends the member of Event.details that the event has.
func appendDetail(b []byte, e *event.Event) []byte {
	var at int
	switch d := e.Detail.(type) {
	case nil:
		if e.Type != event.Connected {
			return b
		}
		b, at = begin(b, 11)
		b = appendUint(b, 1, e.Connections)
	case *event.ListenerDetail:
		b, at = begin(b, 10)
		b = AppendText(b, 1, d.Name)
		b = AppendText(b, 2, d.Address)
	case *event.DataDetail:
		b, at = begin(b, 12)
		b = appendBytes(b, 1, d.Bytes)
		b = appendUint(b, 2, uint64(d.Total))
	case *event.IdleDetail:
		b, at = begin(b, 13)
		b = appendDuration(b, 1, d.Idle)
		b = appendBool(b, 2, d.Closing)
	case *event.PauseDetail:
		b, at = begin(b, 14)
		b = appendDuration(b, 1, d.Paused)
		b = appendUint(b, 2, d.Queued)
		b = appendUint(b, 3, uint64(d.Cause))
	case *event.ErrorDetail:
		b, at = begin(b, 15)
		b = appendUint(b, 1, uint64(d.Operation))
		b = AppendText(b, 2, d.Message)
		b = appendUint(b, 3, d.Count)
		b = AppendText(b, 4, d.Listener)
	case *event.ClosedDetail:
		b, at = begin(b, 16)
		b = appendUint(b, 1, uint64(e.Conn.CloseReason))
		b = appendDuration(b, 2, d.Lifetime)
		b = appendUint(b, 3, e.Connections)
		b = appendUint(b, 4, e.Conn.UnsentBytes)
		b = appendUint(b, 5, e.Conn.DiscardedBytes)
	case *event.DrainDetail:
		b, at = begin(b, 17)
		b = appendTime(b, 1, d.Deadline)
		b = appendUint(b, 2, d.Connections)
		b = appendUint(b, 3, d.Ended)
		b = appendUint(b, 4, d.Closed)
		b = AppendText(b, 5, d.Reason)
	case *event.ControlDetail:
		b, at = begin(b, 18)
		b = appendControl(b, d)
	case *event.GapDetail:
		b, at = begin(b, 19)
		b = appendUint(b, 1, d.From)
		b = appendUint(b, 2, d.To)
		b = appendUint(b, 3, uint64(d.Reason))
		b = AppendText(b, 4, d.Requested)
		b = appendUint(b, 5, d.DataEvents)
	case *event.RefusedDetail:
		b, at = begin(b, 21)
		b = appendUint(b, 1, uint64(d.Reason))
		b = AppendText(b, 2, d.Listener)
		b = appendUint(b, 3, d.Count)
		b = AppendText(b, 4, d.Message)
		b = AppendText(b, 5, d.Remote)
	case *event.SnapshotDetail:
		b, at = begin(b, 20)
		b = appendUint(b, 1, d.Connections)
		b = AppendText(b, 2, d.Cursor.String())
	case *event.NodeDetail:
		b, at = begin(b, 22)
		b = AppendText(b, 1, d.Node.Node)
		b = AppendText(b, 2, d.Node.Incarnation)
		b = AppendText(b, 3, d.Version)
		b = AppendText(b, 4, d.Message)
		if d.Silent != 0 {
			b = appendDuration(b, 5, d.Silent)
		}
		b = appendUint(b, 6, d.Connections)
		b = appendUint(b, 7, d.Head)
		b = appendUint(b, 8, d.Count)
	case *event.HandlerDetail:
		b, at = begin(b, 23)
		b = appendHandler(b, d)
	case *event.StalledDetail:
		b, at = begin(b, 24)
		b = AppendText(b, 1, d.Instance)
		b = appendDuration(b, 2, d.Stalled)
		b = appendUint(b, 3, d.Unacknowledged)
		b = appendUint(b, 4, d.Position)
	default: // no member of the contract: the event goes without
		return b
	}
	return end(b, at)
}

func appendControl(b []byte, d *event.ControlDetail) []byte {
	b = AppendText(b, 1, d.Verb)
	b = AppendText(b, 2, d.Actor.Identity)
	b = AppendText(b, 3, d.Filter)
	b = appendList(b, 4, d.IDs)
	b = AppendText(b, 5, d.Reason)
	b = AppendText(b, 6, d.RequestID)
	b = appendUint(b, 7, d.Matched)
	for name, n := range d.Outcomes {
		var at int
		b, at = begin(b, 8)
		b = appendElement(b, 1, name)
		b = end(protowire.AppendVarint(appendTag(b, 2, protowire.VarintType), n), at)
	}
	b = appendUint(b, 9, d.DataBytes)
	b = appendTexts(b, 10, d.Set)
	b = appendList(b, 11, d.Removed)
	b = AppendText(b, 12, d.Actor.Proof)
	b = AppendText(b, 13, d.Actor.Address)
	b = AppendText(b, 14, d.Actor.Role)
	b = appendTexts(b, 15, d.Changes)
	b = AppendText(b, 16, d.Ban)
	b = AppendText(b, 17, d.Actor.Via)
	return appendTexts(b, 18, d.Nodes)
}

func appendHandler(b []byte, d *event.HandlerDetail) []byte {
	b = AppendText(b, 1, d.Handler)
	b = AppendText(b, 2, d.Instance)
	b = appendUint(b, 3, d.Lane)
	b = AppendText(b, 4, d.Message)
	b = appendUint(b, 5, d.Connections)
	b = appendUint(b, 6, d.Moved)
	b = appendUint(b, 7, d.Held)
	b = AppendText(b, 8, d.Actor.Identity)
	b = AppendText(b, 9, d.Actor.Proof)
	b = AppendText(b, 10, d.Actor.Address)
	return appendUint(b, 11, uint64(d.Lanes))
}

// EventTypes converts the types of a request. Without types it returns the empty set, which a subscription reads as all
// types.
func EventTypes(types []pb.EventType) event.Types {
	var set event.Types
	for _, t := range types {
		set = set.With(event.Type(t))
	}
	return set
}
