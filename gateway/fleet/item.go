package fleet

import (
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	"github.com/sockgate/sockgate/gateway/internal/share"
	"github.com/sockgate/sockgate/gateway/internal/wire"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// item is one response of a node that its leg hands over, or news about the node.
type item struct {
	node   string
	events []byte // elements of StreamEventsResponse.events, encoded
	count  int
	// summaries is the number of SNAPSHOT_COMPLETE among the events.
	summaries int
	cursor    event.Cursor // the node's position after the item; without a node: unchanged
	complete  bool         // the node's part of the snapshot is complete
	present   uint64       // connections in that part; set with complete
	missing   bool         // the node's part of the snapshot does not come now
	hold      *share.Hold  // of the room for the events; may be nil
	gone      bool         // the node has gone for good and is no longer followed
	err       error        // the stream ends: io.EOF if this node's log has ended
}

// size returns the number of events in the item, and their bytes.
func (it *item) size() contract.Batch { return contract.Batch{Events: it.count, Bytes: len(it.events)} }

// Field numbers of StreamEventsResponse.
const (
	fieldEvents protowire.Number = 1
	fieldCursor protowire.Number = 2
)

// decodeItem reads a node's encoded response, but not the events in it. It keeps no reference to b. The error is a
// *wire.ClaimError.
func decodeItem(node string, b []byte, asked event.Types) (item, error) {
	it := item{node: node, events: make([]byte, 0, len(b))}
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeField(b)
		if n < 0 {
			return item{}, wire.NewClaimError("it sent events that cannot be decoded: %v", protowire.ParseError(n))
		}
		_, _, tag := protowire.ConsumeTag(b)
		switch {
		case field == fieldEvents && kind == protowire.BytesType:
			encoded, _ := protowire.ConsumeBytes(b[tag:])
			of, err := wire.CheckEvent(encoded, asked)
			if err != nil {
				return item{}, err
			}
			if of == event.SnapshotComplete {
				it.summaries++
			}
			it.events = append(it.events, b[:n]...)
			it.count++
		case field == fieldCursor && kind == protowire.BytesType:
			text, _ := protowire.ConsumeBytes(b[tag:])
			var err error
			if it.cursor, err = event.ParseCursor(string(text)); err != nil || it.cursor.Node != node {
				return item{}, wire.NewClaimError("it sent the position %.100q; expected one of its own", text)
			}
		}
		b = b[n:]
	}
	return it, nil
}

// ofSnapshot takes the node's own SNAPSHOT_COMPLETE out of an item. It is the last event of the node's part, and the
// only one with a position.
func (it item) ofSnapshot() (item, error) {
	if it.cursor.Node == "" {
		return it, nil
	}
	var r pb.StreamEventsResponse
	if err := proto.Unmarshal(it.events, &r); err != nil {
		return item{}, wire.NewClaimError("it sent events that cannot be decoded: %v", err)
	}
	i := slices.IndexFunc(r.Events, func(e *pb.Event) bool {
		return e.GetType() == pb.EventType_EVENT_TYPE_SNAPSHOT_COMPLETE
	})
	if i < 0 {
		return item{}, wire.NewClaimError("it sent a position before its snapshot was complete")
	}
	it.complete, it.present = true, r.Events[i].GetSnapshotComplete().GetConnections()
	r.Events = slices.Delete(r.Events, i, i+1)
	var err error
	it.count = len(r.Events)
	it.events, err = proto.Marshal(&r)
	return it, err
}
