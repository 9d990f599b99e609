package fleet

import (
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// snapshot is the beginning of a stream: the connections of all nodes of the scope. Each node sends its own part.
type snapshot struct {
	pending map[string]bool // nodes with an incomplete part
	present uint64          // connections in the complete parts
	missing []string        // nodes without a part for now
}

// beginSnapshot begins the snapshot that the request asks for, or lets the legs go on without one.
func (s *eventStream) beginSnapshot() {
	if !s.plan.request.GetSnapshot() {
		close(s.live)
		return
	}
	s.snapshot = &snapshot{pending: make(map[string]bool)}
	if s.plan.covers(s.plan.self) {
		s.snapshot.pending[s.plan.self] = true
	}
	for _, m := range s.plan.others {
		s.snapshot.pending[m.Node] = true
	}
}

// snapshotHas takes note that a node's part is complete.
func (s *eventStream) snapshotHas(node string, present uint64) error {
	delete(s.snapshot.pending, node)
	s.snapshot.present = plus(s.snapshot.present, present)
	return s.completeSnapshot()
}

// snapshotLacks takes note that a node's part does not come now.
func (s *eventStream) snapshotLacks(node string) error {
	delete(s.snapshot.pending, node)
	s.snapshot.missing = append(s.snapshot.missing, node)
	slices.Sort(s.snapshot.missing)
	return s.completeSnapshot()
}

// completeSnapshot announces the end of the snapshot if every part is complete, and then lets live events come.
func (s *eventStream) completeSnapshot() error {
	done := s.snapshot
	if len(done.pending) > 0 {
		return nil
	}
	if s.plan.request.GetScope().GetRequireAll() && len(done.missing) > 0 {
		return s.end(s.node.withoutNodes(done.missing))
	}
	if err := s.send(); err != nil { // the last PRESENT events, which have no cursor
		return err
	}
	s.snapshot = nil
	events, err := proto.Marshal(&pb.StreamEventsResponse{Events: []*pb.Event{s.snapshotComplete(done)}})
	if err != nil {
		return err
	}
	s.batch.add(item{events: events, count: 1})
	close(s.live)
	return s.send()
}

// snapshotComplete returns the event that sums up the snapshot.
func (s *eventStream) snapshotComplete(done *snapshot) *pb.Event {
	self := s.node.roster.Self()
	own, _ := s.vector.At(self.Node)
	return &pb.Event{Node: self.Node, Incarnation: self.Incarnation, Sequence: own.Sequence,
		Time: timestamppb.New(time.Now()),
		Type: pb.EventType_EVENT_TYPE_SNAPSHOT_COMPLETE,
		Details: &pb.Event_SnapshotComplete{SnapshotComplete: &pb.SnapshotCompleteDetails{
			Connections: done.present, Cursor: s.cursor(), MissingNodes: done.missing}}}
}
