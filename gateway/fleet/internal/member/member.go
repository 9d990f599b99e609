package member

import (
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// Member is a node of the fleet as this node sees it. It is a copy that does not change.
type Member struct {
	event.Origin              // name and life
	Self         bool         // it is this node
	State        pb.NodeState // never UNSPECIFIED
	Version      string       // of its program, cut to 100 bytes
	Address      string       // of its control plane, as it says; empty: it keeps it to itself
	Connections  uint64       // as of its last heartbeat, like Head and Oldest
	Head         uint64       // sequence of its newest event
	Oldest       uint64       // of the oldest event that it keeps
	Stamp        uint64       // its own clock, from its last heartbeat
	HeardAt      time.Time    // when this node last heard it
	JoinedAt     time.Time    // when this node first heard of this life
}

// Asked reports whether the member is asked, because it may answer.
func (m *Member) Asked() bool {
	return m.State == pb.NodeState_NODE_STATE_LIVE || m.State == pb.NodeState_NODE_STATE_DRAINING ||
		m.State == pb.NodeState_NODE_STATE_SUSPECT
}

const (
	beatPeriod  = 2 * time.Second // between heartbeats, give or take a fifth
	suspectAt   = 5 * time.Second // of silence
	unreachable = 10 * time.Second
	forgetAt    = 10 * time.Minute
	// DefaultWait is how long other nodes have to answer if the request does not say.
	DefaultWait = 5 * time.Second
)
