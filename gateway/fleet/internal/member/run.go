package member

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/bus"
	"github.com/sockgate/sockgate/gateway/event"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const (
	// tick is the longest sleep of run. It is short, so that run notices by its own lateness that the process was stopped,
	// and about when the stop began.
	tick = 500 * time.Millisecond
	// stoppedFor is the lateness at which run concludes that the process was stopped. A shorter stop and a heartbeat's
	// period together are less than 5 s.
	stoppedFor = time.Second
)

// run publishes heartbeats and judges the silence of others, until Stop or until the node is displaced. A displaced
// node calls retire.
func (m *Members) run(retire func()) {
	defer close(m.ended)
	draining := m.config.Self.Draining()
	timer := time.NewTimer(0)
	defer timer.Stop()
	due, seen := time.Now(), time.Now()
	for ; ; timer.Reset(time.Until(due)) {
		select {
		case <-timer.C:
		case <-m.poke:
		case <-m.watched:
			m.reconnected()
		case <-draining:
			draining = nil
			m.drains()
		case <-m.twinned:
			m.quit()
			retire()
			return
		case <-m.ending:
			return
		}
		now := time.Now()
		if now.Sub(due) > stoppedFor {
			m.excuse(now, now.Sub(seen))
		}
		due, seen = sooner(m.judge(now), m.beatWhenDue(now)), now
	}
}

func sooner(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// beatWhenDue publishes a heartbeat if it is due, and returns when the next is due.
func (m *Members) beatWhenDue(now time.Time) time.Time {
	m.mu.Lock()
	if now.Before(m.beatAt) {
		defer m.mu.Unlock()
		return m.beatAt
	}
	m.beatSent, m.beatAt = now, now.Add(beatPeriod*4/5+rand.N(beatPeriod*2/5))
	next := m.beatAt
	m.mu.Unlock()
	m.beat(pb.NodeState_NODE_STATE_UNSPECIFIED)
	return next
}

// drains announces at once that the node drains.
func (m *Members) drains() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.beatAt = time.Time{}
	m.change()
}

// look returns the bus's status. It renews m.watched, which is closed when the status changes after that.
func (m *Members) look() bus.Status {
	m.watched = m.config.Bus.Changed()
	m.status = m.config.Bus.Status()
	return m.status
}

// reconnected publishes a Hello when the bus has a connection again, so that this node hears of the others at once, and
// they of it.
func (m *Members) reconnected() {
	before := m.status
	now := m.look()
	switch {
	case now.Connected:
		m.log.Info("connected to the fleet", "fleet", m.config.Fleet, "mode", now.Mode)
		m.hello()
		m.mu.Lock()
		m.beatAt = time.Time{}
		m.mu.Unlock()
	case before.Connected || before.Problem != now.Problem:
		m.notConnected(now)
	}
}

// notConnected logs that there is no connection.
func (m *Members) notConnected(s bus.Status) {
	m.log.Warn("no connection to the fleet: other nodes are not reached until there is one; this node's connections are "+
		"not touched",
		"fleet", m.config.Fleet, "mode", s.Mode, "problem", s.Problem)
}

// excuse does not count a stop of this process as silence of others, because they could not be heard. HeardAt stays,
// because requests are as old as they are.
func (m *Members) excuse(now time.Time, stopped time.Duration) {
	m.mu.Lock()
	defer m.unlock()
	m.say(hclog.Warn, "this process was stopped: in that time it could not hear other nodes, which does not count as "+
		"their silence",
		"stopped", short(stopped))
	for _, r := range m.table {
		r.quiet = sooner(r.quiet.Add(stopped), now)
	}
}

// judge changes the state of members that have been silent for too long, and returns when it has to look again.
func (m *Members) judge(now time.Time) (next time.Time) {
	status := m.config.Bus.Status()
	m.mu.Lock()
	defer m.unlock()
	next, changed := now.Add(tick), false
	for i := 0; i < len(m.table); {
		r := m.table[i]
		at, different := m.age(r, now, status)
		changed = changed || different
		if now.Before(at) {
			next = sooner(next, at)
			i++
			continue
		}
		silent := now.Sub(r.quiet)
		m.drop(i, fmt.Sprintf("it was forgotten: nothing was heard of it for %s", forgetAt), silent)
		changed = true
	}
	if changed {
		m.change()
	}
	return next
}

// age changes the state of a member that has been silent for too long, and returns when it must be looked at again.
// That is not after now if the member is to be forgotten. The caller holds mu.
func (m *Members) age(r *record, now time.Time, status bus.Status) (next time.Time, changed bool) {
	silent := now.Sub(r.quiet)
	if r.heard() && silent >= suspectAt {
		r.State, changed = pb.NodeState_NODE_STATE_SUSPECT, true
		m.tell(event.NodeSuspect, r, fmt.Sprintf("nothing was heard of it for %s", suspectAt)+why(status), silent)
	}
	if r.State == pb.NodeState_NODE_STATE_SUSPECT && silent >= unreachable {
		r.State, changed = pb.NodeState_NODE_STATE_UNREACHABLE, true
		if r.Address != "" {
			m.readdress()
		}
		m.tell(event.NodeUnreachable, r, fmt.Sprintf("nothing was heard of it for %s: it is not asked any more",
			unreachable)+why(status), silent)
	}
	switch r.State {
	case pb.NodeState_NODE_STATE_UNREACHABLE, pb.NodeState_NODE_STATE_LEFT:
		return r.quiet.Add(forgetAt), changed
	case pb.NodeState_NODE_STATE_SUSPECT:
		return r.quiet.Add(unreachable), changed
	}
	return r.quiet.Add(suspectAt), changed
}

// why adds to a line about a silence that this node has no connection.
func why(s bus.Status) string {
	if s.Connected {
		return ""
	}
	return "; this node has no connection to the fleet: " + s.Problem
}
