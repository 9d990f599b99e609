package member

import (
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// record is a member and the fields that only the membership needs.
type record struct {
	Member
	life life
	// quiet is the beginning of the member's silence. It is HeardAt, moved on by the time that this process has been
	// stopped since.
	quiet time.Time
	// changes is how often the member may still change by its own heartbeats, as of changesAt; see mayChange.
	changes   int
	changesAt time.Time
}

// Bounds of the changes of one member. A heartbeat makes events and log lines only if it changes something. A member
// that restarts, or leaves and comes back, more often than this is ignored for a while: one node must not push out the
// events of all others.
const (
	changesMost  = 10
	changesEvery = time.Second // for one more change
)

// mayChange reports whether a member may change by its own heartbeat now, and counts that change.
func (r *record) mayChange(now time.Time) bool {
	if more := int(now.Sub(r.changesAt) / changesEvery); more > 0 {
		r.changes = min(r.changes+more, changesMost)
		r.changesAt = now
	}
	if r.changes == 0 {
		return false
	}
	r.changes--
	return true
}

// heard reports whether the member was heard within 5 s and has not left.
func (r *record) heard() bool {
	return r.State == pb.NodeState_NODE_STATE_LIVE || r.State == pb.NodeState_NODE_STATE_DRAINING
}

func newRecord(b beat, now time.Time) *record {
	r := &record{life: b.life, changes: changesMost, changesAt: now}
	r.Origin = event.Origin{Node: b.node, Incarnation: b.life.incarnation}
	r.JoinedAt = now
	r.take(b, now)
	return r
}

// take copies the fields of a heartbeat.
func (r *record) take(b beat, now time.Time) {
	r.State, r.Version, r.Address = b.said.GetState(), b.said.GetVersion(), b.said.GetControlAddress()
	r.Connections, r.Head, r.Oldest, r.Stamp = b.said.GetConnections(), b.said.GetEventHead(), b.said.GetOldestEvent(),
		b.said.GetStamp()
	r.HeardAt, r.quiet = now, now
}
