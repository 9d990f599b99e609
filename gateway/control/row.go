package control

import (
	"net/netip"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// fieldRows is the number of ListConnectionsResponse.connections, and the others are those of the fields of Connection; a test
// holds that they are the contract's.
const fieldRows protowire.Number = 1

const (
	fieldID protowire.Number = iota + 1
	fieldNode
	fieldListener
	fieldRemoteAddress
	fieldLocalAddress
	fieldConnectedAt
	fieldLastActiveAt
	fieldBytesReceived
	fieldBytesSent
	fieldQueuedBytes
	fieldState
	fieldLabels
	fieldClosedAt
	fieldCloseReason
	fieldCloseText
	fieldClosedBy
	fieldReadPaused
)

// setRows puts the first connections into a response, as many as it has room for, and returns how many. They go in encoded, as
// fields that the message hands on as they are: to a client there is no difference.
func setRows(response *pb.ListConnectionsResponse, infos []server.Info) int {
	if len(infos) == 0 {
		return 0
	}
	rows := make([]byte, 0, min(maxResponse, len(infos)*usualRow))
	n := 0
	for ; n < len(infos); n++ {
		before := len(rows)
		if rows = appendRow(rows, fieldRows, &infos[n]); len(rows) > maxResponse && n > 0 {
			rows = rows[:before]
			break
		}
	}
	response.ProtoReflect().SetUnknown(rows)
	return n
}

// usualRow is how many bytes a row with a few labels has, or less.
const usualRow = 256

// appendRow appends a connection, encoded, as one of the messages of a repeated field. It is what marshalling connection(i)
// yields, without the thirty allocations of it: a page may have a thousand rows, and a walk a million.
func appendRow(b []byte, field protowire.Number, i *server.Info) []byte {
	b, start := open(b, field)
	b = appendID(b, i)
	b = appendText(b, fieldNode, i.Origin.Node)
	b = appendText(b, fieldListener, i.Listener.Name)
	b = appendAddress(b, fieldRemoteAddress, i.Remote, i.Listener.Unix)
	b = appendAddress(b, fieldLocalAddress, i.Local, i.Listener.Unix)
	b = appendTime(b, fieldConnectedAt, i.ConnectedAt)
	b = appendTime(b, fieldLastActiveAt, i.LastActiveAt)
	b = appendNumber(b, fieldBytesReceived, i.BytesReceived)
	b = appendNumber(b, fieldBytesSent, i.BytesSent)
	b = appendNumber(b, fieldQueuedBytes, i.QueuedBytes)
	b = appendNumber(b, fieldState, uint64(i.State))
	for key, value := range i.Labels {
		var entry int
		b, entry = open(b, fieldLabels)
		b = protowire.AppendString(protowire.AppendTag(b, 1, protowire.BytesType), key)
		b = protowire.AppendString(protowire.AppendTag(b, 2, protowire.BytesType), value)
		b = closeMessage(b, entry)
	}
	b = appendTime(b, fieldClosedAt, i.ClosedAt)
	b = appendNumber(b, fieldCloseReason, uint64(i.CloseReason))
	b = appendText(b, fieldCloseText, validText(i.CloseText))
	b = appendText(b, fieldClosedBy, i.ClosedBy)
	b = appendNumber(b, fieldReadPaused, protowire.EncodeBool(i.ReadPaused))
	return closeMessage(b, start)
}

// open begins a field whose length is not known yet; closeMessage ends it.
func open(b []byte, field protowire.Number) ([]byte, int) {
	b = protowire.AppendTag(b, field, protowire.BytesType)
	return b, len(b)
}

// closeMessage puts the length of what was appended since open before it.
func closeMessage(b []byte, start int) []byte {
	length := len(b) - start
	var prefix [10]byte
	n := len(protowire.AppendVarint(prefix[:0], uint64(length)))
	b = append(b, prefix[:n]...)
	copy(b[start+n:], b[start:start+length])
	copy(b[start:], prefix[:n])
	return b
}

func appendID(b []byte, i *server.Info) []byte {
	b, start := open(b, fieldID)
	b = append(append(b, i.Origin.Node...), '.')
	b = append(append(b, i.Origin.Incarnation...), '.')
	b = strconv.AppendUint(b, i.Seq, 10)
	return closeMessage(b, start)
}

func appendAddress(b []byte, field protowire.Number, a netip.AddrPort, unix string) []byte {
	b, start := open(b, field)
	switch {
	case unix != "":
		b = append(append(b, "unix:"...), unix...)
	case a.IsValid():
		b = a.AppendTo(b)
	default:
		b = append(b, a.String()...) // which says that it is none
	}
	return closeMessage(b, start)
}

// What follows leaves a field out that has its default, as proto3 does.

func appendText(b []byte, field protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

func appendNumber(b []byte, field protowire.Number, n uint64) []byte {
	if n == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), n)
}

func appendTime(b []byte, field protowire.Number, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	b, start := open(b, field)
	b = appendNumber(b, 1, uint64(t.Unix()))
	b = appendNumber(b, 2, uint64(t.Nanosecond()))
	return closeMessage(b, start)
}
