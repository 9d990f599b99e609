package member

import (
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// record is a member and what only the membership needs of it.
type record struct {
	Member
	life life
	// quiet is the beginning of its silence: HeardAt, and later by the time that this process was stopped since.
	quiet time.Time
	// changes is how often it may still change by its own word, as of changesAt; see mayChange.
	changes   int
	changesAt time.Time
}

// Bounds of the changes of one member. A heartbeat makes events and lines of the log only when it changes something. A
// member that restarts, or leaves and comes back, more often than this is not heard for a while: one node must not push
// out the events of all others.
const (
	changesMost  = 10
	changesEvery = time.Second // one more
)

// mayChange reports whether a member may change by its own word now, and counts that.
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

// heard reports whether the member was heard of within 5 s and has not left.
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

// take copies what a heartbeat says.
func (r *record) take(b beat, now time.Time) {
	r.State, r.Version = b.said.GetState(), b.said.GetVersion()
	r.Connections, r.Head, r.Oldest, r.Stamp = b.said.GetConnections(), b.said.GetEventHead(), b.said.GetOldestEvent(),
		b.said.GetStamp()
	r.HeardAt, r.quiet = now, now
}
