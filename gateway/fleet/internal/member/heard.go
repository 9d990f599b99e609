package member

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// Pace of the answers to Hellos. Every node answers a Hello, also the thousand that come when a bus is back. So each
// node answers Hellos that come shortly after each other with one heartbeat, and the nodes of a large fleet spread
// theirs.
const (
	manyMembers = 20
	helloJitter = 100 * time.Millisecond // beyond manyMembers
	helloPause  = 250 * time.Millisecond // from one heartbeat to the next that answers a Hello
)

func (m *Members) heardHello(subject string, data []byte) {
	from, l, err := readHello(m.subjects, subject, data)
	now := time.Now()
	m.mu.Lock()
	defer m.unlock()
	switch {
	case err != nil:
		m.complain(&m.garbage, "a Hello that cannot be read was ignored", "subject", subject, "problem", err)
	case from == m.origin.Node && l.instance == m.me.instance: // its own Hello
	case m.stage == joined:
		m.hurry(now)
	case m.stage == joining && from == m.origin.Node && l.compare(m.me) < 0:
		m.foundTwin(l) // it is older, and goes on
	case m.stage == joining && from == m.origin.Node:
		m.wake() // it has to hear this node, which goes on
	}
}

// hurry makes the next heartbeat come soon. The caller holds mu.
func (m *Members) hurry(now time.Time) {
	at := now
	if len(m.table) > manyMembers {
		at = at.Add(rand.N(helloJitter))
	}
	if earliest := m.beatSent.Add(helloPause); at.Before(earliest) {
		at = earliest
	}
	if at.Before(m.beatAt) {
		m.beatAt = at
		m.wake()
	}
}

// wake makes run look at the members that are due.
func (m *Members) wake() {
	select {
	case m.poke <- struct{}{}:
	default: // run is about to wake already
	}
}

func (m *Members) heardBeat(subject string, data []byte) {
	b, err := readBeat(m.subjects, subject, data)
	now := time.Now()
	m.mu.Lock()
	defer m.unlock()
	switch {
	case err != nil:
		m.complain(&m.garbage, "a heartbeat that cannot be read was ignored", "subject", subject, "problem", err)
	case m.stage != joining && m.stage != joined:
	case b.node == m.origin.Node:
		m.heardOwnName(b, now)
	default:
		m.place(b, now)
	}
}

// place finds the member that a heartbeat belongs to. The caller holds mu.
func (m *Members) place(b beat, now time.Time) {
	i, known := m.search(b.node)
	if !known {
		m.admitAddress(&b, nil)
		if b.said.State != pb.NodeState_NODE_STATE_LEFT { // otherwise there is no member to take out
			m.meet(i, b, now)
		}
		return
	}
	r := m.table[i]
	m.admitAddress(&b, r)
	younger := b.life.compare(r.life)
	switch {
	case younger < 0 && (b.said.State == pb.NodeState_NODE_STATE_LEFT || r.heard()):
		// The last heartbeat of an earlier life, or the first of an older twin: the younger one is there.
	case (younger != 0 || b.said.State != r.State || b.said.ControlAddress != r.Address) && !r.mayChange(now):
		m.complain(&m.restless, "a heartbeat was ignored: its node restarts, leaves and comes back, or has another control "+
			"address, too often; are there several of its name?",
			"node", b.node, "incarnation", b.life.incarnation)
	case younger == 0:
		m.update(r, b, now)
	case younger > 0:
		m.restart(r, b, now, "it has restarted")
	default:
		m.restart(r, b, now, "it has restarted, with its clock set back")
	}
}

// meet adds a new member. The caller holds mu.
func (m *Members) meet(i int, b beat, now time.Time) {
	if len(m.table)+1 >= MostMembers {
		m.complain(&m.full, "a node is not taken in: this one knows as many as it can; end nodes, or forget those that are "+
			"unreachable or have left",
			"node", b.node, "most", MostMembers)
		return
	}
	r := newRecord(b, now)
	m.table = slices.Insert(m.table, i, r)
	m.moved(&Member{}, r)
	m.tell(event.NodeJoined, r, "it was heard of for the first time", 0)
	m.change()
}

// restart replaces a member's known life by a new one. The caller holds mu.
func (m *Members) restart(r *record, b beat, now time.Time, message string) {
	before := *r
	*r = *newRecord(b, now)
	r.changes, r.changesAt = before.changes, before.changesAt
	m.moved(&before.Member, r)
	m.tell(event.NodeJoined, r, fmt.Sprintf("%s: its life before was %s", message, before.Incarnation), 0)
	if r.State == pb.NodeState_NODE_STATE_LEFT {
		m.tell(event.NodeLeft, r, "it said that it leaves", 0)
	}
	m.change()
}

// update takes the heartbeat of a known member. The caller holds mu.
func (m *Members) update(r *record, b beat, now time.Time) {
	before, silent := r.Member, now.Sub(r.quiet)
	r.take(b, now)
	m.moved(&before, r)
	switch {
	case r.State == before.State:
		return
	case r.State == pb.NodeState_NODE_STATE_LEFT:
		m.tell(event.NodeLeft, r, "it said that it leaves", 0)
	case before.State == pb.NodeState_NODE_STATE_LEFT:
		m.tell(event.NodeRecovered, r, "it was heard of again after it had said that it leaves", silent)
	case before.State == pb.NodeState_NODE_STATE_SUSPECT || before.State == pb.NodeState_NODE_STATE_UNREACHABLE:
		m.tell(event.NodeRecovered, r, fmt.Sprintf("it was heard of again after %s", short(silent)), silent)
	}
	m.change()
}
