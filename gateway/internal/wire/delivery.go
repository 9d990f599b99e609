package wire

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/lane"
)

// The numbers of the fields of AttachResponse.
const (
	fieldDeliveries protowire.Number = 2
	fieldReattach   protowire.Number = 3
	fieldShutdown   protowire.Number = 4
)

// AppendDelivery appends a delivery to an encoded sockgate.v1.AttachResponse, and returns the longer slice. Deliveries
// of a response must be appended one after another.
func AppendDelivery(b []byte, d *lane.Delivery) []byte {
	switch d.Kind {
	case lane.Data:
		return appendData(b, d)
	case lane.Reattach:
		return appendDuration(b, fieldReattach, d.Within)
	case lane.Shutdown:
		return appendDuration(b, fieldShutdown, d.Within)
	}
	b, at := begin(b, fieldDeliveries)
	b = appendUint(b, 1, d.Connection)
	b = appendUint(b, 2, d.Position)
	return end(appendNews(b, d), at)
}

// appendData appends a delivery of bytes, without moving any: it computes the length first.
func appendData(b []byte, d *lane.Delivery) []byte {
	size := 1 + protowire.SizeVarint(d.Connection) + 1 + protowire.SizeVarint(d.Position) +
		1 + protowire.SizeBytes(len(d.Data))
	b = appendTag(b, fieldDeliveries, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(size))
	b = protowire.AppendVarint(appendTag(b, 1, protowire.VarintType), d.Connection)
	b = protowire.AppendVarint(appendTag(b, 2, protowire.VarintType), d.Position)
	return protowire.AppendBytes(appendTag(b, 4, protowire.BytesType), d.Data)
}

// appendNews appends the field of the oneof. A field of a oneof is written also when it has its zero value.
func appendNews(b []byte, d *lane.Delivery) []byte {
	switch d.Kind {
	case lane.Opened:
		return appendOpened(b, d)
	case lane.Ended:
		return appendBool(b, 5, true)
	case lane.Idle:
		return appendBool(b, 6, true)
	case lane.Written:
		return protowire.AppendVarint(appendTag(b, 7, protowire.VarintType), d.Written)
	case lane.Closed:
		return appendLaneClosed(b, &d.Info)
	case lane.Moved:
		b, at := begin(b, 8)
		return end(appendBool(b, 1, true), at)
	}
	return b
}

func appendOpened(b []byte, d *lane.Delivery) []byte {
	b, at := begin(b, 3)
	b = appendConnection(b, 1, &d.Info)
	b = appendUint(b, 2, d.Sent)
	b = appendBytes(b, 3, d.State)
	b = appendBool(b, 4, d.Resumed)
	b = appendUint(b, 5, uint64(d.Attempt))
	return end(b, at)
}

func appendLaneClosed(b []byte, i *event.Connection) []byte {
	b, at := begin(b, 8)
	b = appendUint(b, 2, uint64(i.CloseReason))
	b = AppendText(b, 3, i.CloseText)
	b = appendUint(b, 4, i.UnsentBytes)
	return end(b, at)
}
