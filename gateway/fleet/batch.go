package fleet

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// The fields of StreamEventsResponse.
const (
	fieldEvents protowire.Number = 1
	fieldCursor protowire.Number = 2
)

// batch is the events of the next response.
type batch struct {
	events []byte
	count  int
}

// size returns how much the batch has.
func (b *batch) size() contract.Batch { return contract.Batch{Events: b.count, Bytes: len(b.events)} }

// size returns how much the item adds to a batch.
func (it *item) size() contract.Batch { return contract.Batch{Events: it.count, Bytes: len(it.events)} }

// add adds an item, whose bytes are the batch's from now on.
func (b *batch) add(it item) {
	b.count += it.count
	if len(b.events) == 0 {
		b.events = it.events
		return
	}
	b.events = append(b.events, it.events...)
}

// send sends the batch with the vector, or a heartbeat when it has no events. While a snapshot is under way, there is neither a vector
// nor a heartbeat.
func (s *eventStream) send() error {
	response := &pb.StreamEventsResponse{}
	switch {
	case s.snapshot == nil:
		if s.plan.types == nil && s.batch.count == 0 {
			s.passOthers()
		}
		response.Cursor = s.cursor()
	case s.batch.count == 0:
		s.sentAt = time.Now()
		return nil
	}
	response.ProtoReflect().SetUnknown(s.batch.events)
	s.batch = batch{}
	err := s.server.Send(response)
	s.sentAt = time.Now()
	return err
}

// cursor returns what resumes behind what was sent. Without a position of any node that is the beginning, not the end, as "" would be.
func (s *eventStream) cursor() string {
	if len(s.vector) == 0 {
		return "0"
	}
	return s.vector.String()
}

// passOthers moves the positions of other nodes to their newest events, as far as that is known: nothing of theirs is wanted. Those of
// nodes that have left, or were forgotten, go.
func (s *eventStream) passOthers() {
	passed := make(map[string]bool)
	for _, m := range s.node.roster.All() {
		at, has := s.vector.At(m.Node)
		if m.Self || !s.plan.covers(m.Node) {
			continue
		}
		passed[m.Node] = true
		if !has || at.Incarnation != m.Incarnation && m.Asked() || at.Incarnation == m.Incarnation && at.Sequence < m.Head {
			s.vector = s.vector.Set(event.Cursor{Origin: m.Origin, Sequence: m.Head})
		}
	}
	for name := range s.legs {
		if !passed[name] {
			s.vector = s.vector.Delete(name)
		}
	}
	s.legs = passed
}

// sendEncoded sends a response that is encoded already. To a client there is no difference.
func sendEncoded(server pb.GatewayService_StreamEventsServer, b []byte) error {
	response := &pb.StreamEventsResponse{}
	response.ProtoReflect().SetUnknown(b)
	return server.Send(response)
}

// decodeItem reads a node's encoded response, without its events. It keeps nothing of it.
func decodeItem(node string, b []byte) (item, error) {
	it := item{node: node, events: make([]byte, 0, len(b))}
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeField(b)
		if n < 0 {
			return item{}, fmt.Errorf("node %s sent events that cannot be decoded: %w", node, protowire.ParseError(n))
		}
		switch {
		case field == fieldEvents && kind == protowire.BytesType:
			it.events = append(it.events, b[:n]...)
			it.count++
		case field == fieldCursor && kind == protowire.BytesType:
			_, _, tag := protowire.ConsumeTag(b)
			text, _ := protowire.ConsumeBytes(b[tag:])
			var err error
			if it.cursor, err = event.ParseCursor(string(text)); err != nil || it.cursor.Node != node {
				return item{}, fmt.Errorf("node %s sent the position %.100q; expected one of its own", node, text)
			}
		}
		b = b[n:]
	}
	return it, nil
}
