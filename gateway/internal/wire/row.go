package wire

import (
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// fieldRows is the number of ListConnectionsResponse.connections.
const fieldRows protowire.Number = 1

// usualRow is the most bytes of a row with a few labels. A page's buffer begins with that much for each row.
const usualRow = 256

// SetRows puts the first connections into a response and returns how many fit into contract.PageBytes: at least one,
// unless infos is empty. It calls step before each. It adds them in encoded form, as unknown fields that protobuf
// marshals unchanged. A client sees no difference, but the response's own Connections stays empty.
func SetRows(response *pb.ListConnectionsResponse, infos []server.Connection, step func()) int {
	if len(infos) == 0 {
		return 0
	}
	rows := make([]byte, 0, min(contract.PageBytes, len(infos)*usualRow))
	n := 0
	for ; n < len(infos); n++ {
		step()
		before := len(rows)
		if rows = appendConnection(rows, fieldRows, &infos[n]); len(rows) > contract.PageBytes && n > 0 {
			rows = rows[:before]
			break
		}
	}
	response.ProtoReflect().SetUnknown(rows)
	return n
}

// appendConnection appends a field that is a sockgate.v1.Connection. The bytes equal those of control's own conversion,
// marshalled, without its thirty allocations. A walk may have a million rows.
func appendConnection(b []byte, field protowire.Number, i *event.Connection) []byte {
	b, at := begin(b, field)
	b, text := begin(b, 1)
	b = end(i.AppendID(b), text)
	b = AppendText(b, 2, i.Origin.Node)
	b = AppendText(b, 3, i.Listener.Name)
	b = appendAddress(b, 4, i, i.AppendRemoteAddr)
	b = appendAddress(b, 5, i, i.AppendLocalAddr)
	b = appendTime(b, 6, i.ConnectedAt)
	b = appendTime(b, 7, i.LastActiveAt)
	b = appendUint(b, 8, i.BytesReceived)
	b = appendUint(b, 9, i.BytesSent)
	b = appendUint(b, 10, i.QueuedBytes)
	b = appendUint(b, 11, uint64(i.State))
	b = appendTexts(b, 12, i.Labels)
	b = appendTime(b, 13, i.ClosedAt)
	b = appendUint(b, 14, uint64(i.CloseReason))
	b = AppendText(b, 15, i.CloseText)
	b = AppendText(b, 16, i.ClosedBy)
	b = appendBool(b, 17, i.ReadPaused)
	if i.Peer != nil {
		b = appendPeer(b, i.Peer)
	}
	b = AppendText(b, 24, i.Instance)
	b = appendUint(b, 25, i.Unacknowledged)
	return end(b, at)
}

// appendPeer appends the fields that TLS and a PROXY header give.
func appendPeer(b []byte, p *event.Peer) []byte {
	b = AppendText(b, 18, p.TLSVersion)
	b = AppendText(b, 19, p.Cipher)
	b = AppendText(b, 20, p.Protocol)
	b = AppendText(b, 21, p.ServerName)
	b = AppendText(b, 22, p.Identity)
	if p.Proxy.IsValid() {
		b = AppendText(b, 23, p.Proxy.String())
	}
	return b
}

// appendAddress appends an address. The address of a unix socket is a path, which need not be UTF-8.
func appendAddress(b []byte, field protowire.Number, i *event.Connection, address func([]byte) []byte) []byte {
	b, at := begin(b, field)
	b = address(b)
	if i.Listener.Unix != "" && !utf8.Valid(b[at:]) {
		b = append(b[:at], contract.ValidText(string(b[at:]))...)
	}
	return end(b, at)
}
