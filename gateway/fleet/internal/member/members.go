package member

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc/codes"

	"github.com/sockgate/sockgate/gateway/bus"
	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// MostMembers is the most nodes of a fleet, this node included.
const MostMembers = 10_000

// Members are the nodes of the fleet as this node hears them. It is a Roster.
//
// The bus's deliveries, one goroutine for heartbeats and one for Hellos, change the table. One more goroutine, run,
// judges silence and publishes. It lives from Begin to Stop, or until the node is displaced. Before Begin and after
// Stop their caller publishes. So heartbeats never overtake each other.
//
// Lock order: docs/locks.md.
type Members struct {
	config   Config
	subjects Subjects
	origin   event.Origin
	me       life
	began    time.Time // the zero of stamps
	log      hclog.Logger

	poke    chan struct{} // there is a message to publish: a heartbeat, or a Hello while joining
	twinned chan struct{} // closed when a twin was found while joining, or the node was displaced
	ending  chan struct{} // closed by Stop
	ended   chan struct{} // closed when run has ended

	watched     <-chan struct{} // closed when the bus's status has changed since the last look; the publisher's
	status      bus.Status      // as of the last look; the publisher's
	unsubscribe []func()        // the publisher's

	mu       sync.Mutex
	stage    stage
	table    []*record // the other nodes, in the order of their names
	changing chan struct{}
	twin     life      // found while joining
	elder    life      // the newest twin that has to leave; logged once
	beatAt   time.Time // when the next heartbeat is due
	beatSent time.Time // when the last heartbeat was sent
	garbage  seldom    // messages that cannot be read
	full     seldom    // nodes beyond MostMembers
	restless seldom    // heartbeats of members that change too often
	refused  seldom    // heartbeats that the bus did not take
	nowhere  seldom    // control addresses that are not used
	lines    []line    // logged when mu is unlocked

	addresses    []*pb.NodeAddress // what Addresses returns; nil: not made yet
	addressBytes int               // of the addresses in the table
	readdressing chan struct{}
	readdressed  time.Time // when a change of the addresses was told
	stale        bool      // a change of the addresses is told soon
}

// New returns the members of a fleet that this node has not joined yet. began is the zero of the stamps in its
// heartbeats.
func New(c Config, s Subjects, began time.Time) *Members {
	origin := c.Self.Cursor().Origin
	return &Members{
		config: c, subjects: s, origin: origin, me: newLife(origin.Incarnation), began: began, log: c.Logger,
		poke: make(chan struct{}, 1), twinned: make(chan struct{}), ending: make(chan struct{}), ended: make(chan struct{}),
		changing: make(chan struct{}),
		garbage:  newSeldom(time.Second), full: newSeldom(time.Minute), restless: newSeldom(time.Minute),
		refused: newSeldom(time.Minute), nowhere: newSeldom(time.Minute), readdressing: make(chan struct{}),
	}
}

// Origin returns this node's name and life.
func (m *Members) Origin() event.Origin { return m.origin }

// Self returns this node.
func (m *Members) Self() Member {
	m.mu.Lock()
	displaced := m.stage == displaced
	m.mu.Unlock()
	now := time.Now()
	me := Member{Origin: m.origin, Self: true, State: pb.NodeState_NODE_STATE_LIVE, Version: m.config.Version,
		Address:     m.config.Address,
		Connections: uint64(m.config.Self.Live()), Head: m.config.Self.Cursor().Sequence,
		Oldest: m.config.Self.Log().Oldest(),
		Stamp:  m.stamp(now), HeardAt: now, JoinedAt: m.began}
	switch {
	case displaced:
		me.State = pb.NodeState_NODE_STATE_DISPLACED
	case closed(m.config.Self.Draining()):
		me.State = pb.NodeState_NODE_STATE_DRAINING
	}
	return me
}

// stamp returns this node's own clock in the form of heartbeats.
func (m *Members) stamp(now time.Time) uint64 { return uint64(now.Sub(m.began)) }

// All returns the members that are expected to answer.
func (m *Members) All() []Member {
	return m.list(func(r *record) bool { return r.State != pb.NodeState_NODE_STATE_LEFT })
}

// Known returns the members that are not forgotten.
func (m *Members) Known() []Member { return m.list(func(*record) bool { return true }) }

// list returns this node and the wanted ones of the others, in the order of their names.
func (m *Members) list(wanted func(*record) bool) []Member {
	self := m.Self()
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make([]Member, 0, len(m.table)+1)
	at, _ := m.search(self.Node)
	for i, r := range m.table {
		if i == at {
			list = append(list, self)
		}
		if wanted(r) {
			list = append(list, r.Member)
		}
	}
	if at == len(m.table) {
		list = append(list, self)
	}
	return list
}

// Find returns a known member.
func (m *Members) Find(name string) (Member, bool) {
	if name == m.origin.Node {
		return m.Self(), true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if i, ok := m.search(name); ok {
		return m.table[i].Member, true
	}
	return Member{}, false
}

// Changed returns a channel that is closed at the next change.
func (m *Members) Changed() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changing
}

// Forget removes a member that is UNREACHABLE or LEFT.
func (m *Members) Forget(name string) (Member, error) {
	m.mu.Lock()
	defer m.unlock()
	i, known := m.search(name)
	switch {
	case name == m.origin.Node:
		return Member{}, liveProblem(name, "is the node that is asked; expected another one")
	case !known:
		return Member{}, &contract.Problem{Code: codes.NotFound, Reason: contract.ReasonUnknownNode, Field: "node",
			Metadata: map[string]string{"node": name},
			Text:     fmt.Sprintf("node: fleet %s has no node %.50q; expected one that ListNodes returns", m.config.Fleet, name)}
	case m.table[i].Asked():
		return Member{}, liveProblem(name, fmt.Sprintf("was heard of %s ago; expected one that is UNREACHABLE or has LEFT: "+
			"end it first, "+
			"or wait until nothing was heard of it for %s", short(time.Since(m.table[i].HeardAt)), unreachable))
	}
	r := m.table[i]
	m.drop(i, "it was forgotten on request", time.Since(r.quiet))
	m.change()
	return r.Member, nil
}

// liveProblem says why a node is not forgotten.
func liveProblem(name, why string) *contract.Problem {
	return &contract.Problem{Code: codes.FailedPrecondition, Reason: contract.ReasonNodeLive, Field: "node",
		Metadata: map[string]string{"node": name},
		Text:     fmt.Sprintf("node: %s %s", name, why)}
}

// drop removes a member. It tells so, unless the member had LEFT, which was told already. The caller holds mu, and
// calls change.
func (m *Members) drop(i int, message string, silent time.Duration) {
	r := m.table[i]
	m.table = slices.Delete(m.table, i, i+1)
	m.addressBytes -= len(r.Address)
	if r.State != pb.NodeState_NODE_STATE_LEFT {
		m.tell(event.NodeLeft, r, message, silent)
	}
}

// search returns the place of a node in the table, or the place where it would be. The caller holds mu.
func (m *Members) search(name string) (int, bool) {
	return slices.BinarySearchFunc(m.table, name, func(r *record, name string) int {
		return strings.Compare(r.Node,
			name)
	})
}

// change wakes the goroutines that wait for changes. The caller holds mu.
func (m *Members) change() {
	close(m.changing)
	m.changing = make(chan struct{})
}

// closed reports whether a channel is closed. Nothing may be sent on the channel.
func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
