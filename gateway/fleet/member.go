package fleet

import (
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// Member is a node of the fleet as this node sees it. It is a copy: nobody changes it.
type Member struct {
	event.Origin              // name and life
	Self         bool         // it is this node
	State        pb.NodeState // never UNSPECIFIED
	Version      string
	Connections  uint64 // this and the next two as of its last heartbeat
	Head         uint64 // sequence of its newest event
	Oldest       uint64 // of the oldest event that it keeps
	Stamp        uint64 // its own clock, as its last heartbeat said
	HeardAt      time.Time
	JoinedAt     time.Time // when this node heard of this life of it first
}

// asked reports whether the member is asked: it may answer.
func (m *Member) asked() bool {
	return m.State == pb.NodeState_NODE_STATE_LIVE || m.State == pb.NodeState_NODE_STATE_DRAINING || m.State == pb.NodeState_NODE_STATE_SUSPECT
}

// roster is what the verbs and streams need of the membership. Its methods may be called from any goroutine and do not block.
type roster interface {
	// self returns this node: LIVE, DRAINING or DISPLACED.
	self() Member
	// all returns the members that are expected to answer, this node included, in the order of their names: all but those that LEFT.
	all() []Member
	// known is all with those that LEFT and are not forgotten.
	known() []Member
	// find returns a known member.
	find(name string) (Member, bool)
	// changed returns a channel that is closed when a member joins, leaves, restarts, is forgotten, or changes its state.
	changed() <-chan struct{}
	// forget takes a member out that is UNREACHABLE or LEFT. The error is a *problem: UNKNOWN_NODE or NODE_LIVE.
	forget(name string) (Member, error)
}
