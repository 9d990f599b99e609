package control

import (
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sockgate/sockgate/gateway/event"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// eventEncoder writes the events of a node's log as sockgate.v1.Event, straight to bytes: making messages first would cost
// several times as much. The numbers are the contract's; a test holds that every field decodes to what it was.
type eventEncoder struct {
	origin event.Origin
	head   []byte // node and incarnation of an event
	node   []byte // node of a connection
}

func newEventEncoder(origin event.Origin) *eventEncoder {
	return &eventEncoder{
		origin: origin,
		head:   appendText(appendText(nil, 1, origin.Node), 2, origin.Incarnation),
		node:   appendText(nil, 2, origin.Node),
	}
}

// appendEvent appends an event as an element of StreamEventsResponse.events.
func (c *eventEncoder) appendEvent(b []byte, e *event.Event) []byte {
	b, at := begin(b, 1)
	b = append(b, c.head...)
	b = appendUint(b, 3, e.Sequence)
	b = appendTime(b, 4, e.Time)
	b = appendUint(b, 5, uint64(e.Type))
	if e.Conn.Identity != nil {
		b = c.appendConnection(b, &e.Conn)
	}
	return end(appendDetail(b, e), at)
}

// appendConnection appends Event.connection, a sockgate.v1.Connection.
func (c *eventEncoder) appendConnection(b []byte, i *event.Info) []byte {
	b, at := begin(b, 6)
	b, text := begin(b, 1)
	b = end(i.AppendID(b), text)
	b = append(b, c.node...)
	b = appendText(b, 3, i.Listener.Name)
	b = appendAddress(b, 4, i, i.AppendRemoteAddress)
	b = appendAddress(b, 5, i, i.AppendLocalAddress)
	b = appendTime(b, 6, i.ConnectedAt)
	b = appendTime(b, 7, i.LastActiveAt)
	b = appendUint(b, 8, i.BytesReceived)
	b = appendUint(b, 9, i.BytesSent)
	b = appendUint(b, 10, i.QueuedBytes)
	b = appendUint(b, 11, uint64(i.State))
	b = appendTexts(b, 12, i.Labels)
	b = appendTime(b, 13, i.ClosedAt)
	b = appendUint(b, 14, uint64(i.CloseReason))
	b = appendText(b, 15, i.CloseText)
	b = appendText(b, 16, i.ClosedBy)
	b = appendBool(b, 17, i.ReadPaused)
	return end(b, at)
}

// appendAddress appends an address; a unix socket's is a path, which need not be UTF-8.
func appendAddress(b []byte, field protowire.Number, i *event.Info, address func([]byte) []byte) []byte {
	b, at := begin(b, field)
	b = address(b)
	if i.Listener.Unix != "" && !utf8.Valid(b[at:]) {
		b = append(b[:at], validText(string(b[at:]))...)
	}
	return end(b, at)
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
		b = appendText(b, 1, d.Name)
		b = appendText(b, 2, d.Address)
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
	case *event.ErrorDetail:
		b, at = begin(b, 15)
		b = appendUint(b, 1, uint64(d.Operation))
		b = appendText(b, 2, d.Message)
		b = appendUint(b, 3, d.Count)
		b = appendText(b, 4, d.Listener)
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
		b = appendText(b, 5, d.Reason)
	case *event.ControlDetail:
		b, at = begin(b, 18)
		b = appendControl(b, d)
	case *event.GapDetail:
		b, at = begin(b, 19)
		b = appendUint(b, 1, d.From)
		b = appendUint(b, 2, d.To)
		b = appendUint(b, 3, uint64(d.Reason))
		b = appendText(b, 4, d.Requested)
		b = appendUint(b, 5, d.DataEvents)
	case *event.SnapshotDetail:
		b, at = begin(b, 20)
		b = appendUint(b, 1, d.Connections)
		b = appendText(b, 2, d.Cursor.String())
	}
	return end(b, at)
}

// appendControl appends the fields of ControlDetails.
func appendControl(b []byte, d *event.ControlDetail) []byte {
	b = appendText(b, 1, d.Verb)
	b = appendText(b, 2, d.Actor)
	b = appendText(b, 3, d.Filter)
	b = appendList(b, 4, d.IDs)
	b = appendText(b, 5, d.Reason)
	b = appendText(b, 6, d.RequestID)
	b = appendUint(b, 7, d.Matched)
	for name, n := range d.Outcomes {
		var at int
		b, at = begin(b, 8)
		b = appendElement(b, 1, name)
		b = end(protowire.AppendVarint(appendTag(b, 2, protowire.VarintType), n), at)
	}
	b = appendUint(b, 9, d.DataBytes)
	b = appendTexts(b, 10, d.Set)
	return appendList(b, 11, d.Removed)
}

// begin appends the beginning of a field that has a length, with room for a length below 128. end puts the length in.
func begin(b []byte, field protowire.Number) ([]byte, int) {
	b = append(appendTag(b, field, protowire.BytesType), 0)
	return b, len(b)
}

// end puts the length in of what was appended since begin, and makes more room for it when it needs that.
func end(b []byte, at int) []byte {
	length := len(b) - at
	if length < 1<<7 {
		b[at-1] = byte(length)
		return b
	}
	size := protowire.SizeVarint(uint64(length))
	b = append(b, make([]byte, size-1)...)
	copy(b[at-1+size:], b[at:])
	protowire.AppendVarint(b[:at-1], uint64(length))
	return b
}

// appendTag is protowire.AppendTag, short enough to be inlined for the numbers that have one byte.
func appendTag(b []byte, field protowire.Number, t protowire.Type) []byte {
	if field < 1<<4 {
		return append(b, byte(field)<<3|byte(t))
	}
	return protowire.AppendTag(b, field, t)
}

// The following append a field, or nothing for the zero value, as proto3 has it.

func appendUint(b []byte, field protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(appendTag(b, field, protowire.VarintType), v)
}

func appendBool(b []byte, field protowire.Number, v bool) []byte {
	if !v {
		return b
	}
	return appendUint(b, field, 1)
}

func appendText(b []byte, field protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return appendElement(b, field, s)
}

func appendBytes(b []byte, field protowire.Number, p []byte) []byte {
	if len(p) == 0 {
		return b
	}
	return protowire.AppendBytes(appendTag(b, field, protowire.BytesType), p)
}

func appendTime(b []byte, field protowire.Number, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	return appendSeconds(b, field, t.Unix(), t.Nanosecond())
}

func appendDuration(b []byte, field protowire.Number, d time.Duration) []byte {
	return appendSeconds(b, field, int64(d/time.Second), int(d%time.Second))
}

// appendSeconds appends what Timestamp and Duration have in common.
func appendSeconds(b []byte, field protowire.Number, seconds int64, nanos int) []byte {
	b, at := begin(b, field)
	b = appendUint(b, 1, uint64(seconds))
	b = appendUint(b, 2, uint64(nanos))
	b[at-1] = byte(len(b) - at) // two fields are never long
	return b
}

func appendList(b []byte, field protowire.Number, list []string) []byte {
	for _, s := range list {
		b = appendElement(b, field, s)
	}
	return b
}

// appendElement appends a text of a list or a map, where the empty one counts too.
func appendElement(b []byte, field protowire.Number, s string) []byte {
	return protowire.AppendString(appendTag(b, field, protowire.BytesType), validText(s))
}

func appendTexts(b []byte, field protowire.Number, texts map[string]string) []byte {
	for k, v := range texts {
		var at int
		b, at = begin(b, field)
		b = appendElement(b, 1, k)
		b = end(appendElement(b, 2, v), at)
	}
	return b
}

// eventTypes converts the types of a request; none means all.
func eventTypes(types []pb.EventType) event.Types {
	var set event.Types
	for _, t := range types {
		set = set.With(event.Type(t))
	}
	return set
}
