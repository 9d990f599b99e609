package member

import (
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/bus"
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

// Asked reports whether the member is asked: it may answer.
func (m *Member) Asked() bool {
	return m.State == pb.NodeState_NODE_STATE_LIVE || m.State == pb.NodeState_NODE_STATE_DRAINING || m.State == pb.NodeState_NODE_STATE_SUSPECT
}

// Roster is what the verbs and streams need of the membership. Its methods may be called from any goroutine and do not block.
type Roster interface {
	// Self returns this node: LIVE, DRAINING or DISPLACED.
	Self() Member
	// All returns the members that are expected to answer, this node included, in the order of their names: all but those that LEFT.
	All() []Member
	// Known is all with those that LEFT and are not forgotten.
	Known() []Member
	// Find returns a known member.
	Find(name string) (Member, bool)
	// Changed returns a channel that is closed when a member joins, leaves, restarts, is forgotten, or changes its state.
	Changed() <-chan struct{}
	// Forget takes a member out that is UNREACHABLE or LEFT. The error is a *problem: UNKNOWN_NODE or NODE_LIVE.
	Forget(name string) (Member, error)
}

const (
	beatPeriod  = 2 * time.Second // between heartbeats, give or take a fifth
	suspectAt   = 5 * time.Second // of silence
	unreachable = 10 * time.Second
	forgetAt    = 10 * time.Minute
	// DefaultWait is how long other nodes have to answer when the request does not say.
	DefaultWait = 5 * time.Second
)

// Config is what the membership needs to know of its node.
type Config struct {
	Fleet   string // its name
	Version string // of the program
	Bus     bus.Bus
	Self    Self
	Logger  hclog.Logger
}

// Self is what a fleet needs of the node that is in it: a *server.Server. Its methods may be called from any goroutine and do not block.
type Self interface {
	// Cursor returns the position of the newest event, with the node's name and life.
	Cursor() event.Cursor
	// Log returns the event log, to which members' events are appended.
	Log() *event.Log
	// Live returns how many connections are live.
	Live() int
	// Draining returns a channel that is closed when the node begins to drain.
	Draining() <-chan struct{}
}
