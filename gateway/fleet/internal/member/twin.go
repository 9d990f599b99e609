package member

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/event"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// A twin is another live process with this node's name. What can be done about it depends on when it is heard:
//
//	while this node joins   whoever was there first stays: this node refuses to start, and has said nothing but Hello.
//	                        Of two that join at the same time the older one goes on.
//	after that              two parts of the fleet have met, or a connection came late: the older one leaves. Its connections
//	                        stay, and it answers for itself alone.
const (
	joinMost  = 2 * time.Second        // for a connection and for twins, in all
	twinWait  = time.Second            // for a twin's heartbeat, once connected
	helloPace = 250 * time.Millisecond // between Hellos where some may be lost, see settle
)

// modeEmbedded is that of a bus whose server is this node's own: there is a connection before there are routes to others.
const modeEmbedded = "embedded"

// Settle says Hello and waits for a twin to answer: begin says whether one did. It does not wait for a connection when the bus
// could not make one. The error is ctx's.
func (m *Members) Settle(ctx context.Context) error {
	var quiet <-chan time.Time
	most := time.After(joinMost)
	pace := time.NewTicker(helloPace)
	defer pace.Stop()
	for greeted := false; ; {
		status := m.look()
		if !status.Connected && !status.Connecting {
			return nil
		}
		embedded := status.Mode == modeEmbedded
		switch {
		case !status.Connected:
			greeted, quiet = false, nil
		case !greeted:
			m.hello()
			greeted = true
			if !embedded && quiet == nil {
				quiet = time.After(twinWait)
			}
		}
		select {
		case <-m.watched:
		case <-m.poke: // a younger twin joins too, and may have missed the Hello
			greeted = false
		case <-pace.C:
			greeted = greeted && !embedded // routes may come up at any moment; what was said before is lost
		case <-m.twinned:
			return nil
		case <-quiet:
			return nil
		case <-most:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// foundTwin ends the joining. The caller holds mu.
func (m *Members) foundTwin(l life) {
	if m.twin.incarnation == "" {
		m.twin = l
		close(m.twinned)
	}
}

// heardOwnName takes a heartbeat of this node, or of a twin. The caller holds mu.
func (m *Members) heardOwnName(b beat, now time.Time) {
	younger := b.life.compare(m.me)
	switch {
	case b.life.instance == m.me.instance: // its own
	case b.said.State == pb.NodeState_NODE_STATE_LEFT: // it is gone
	case m.stage == joining:
		m.foundTwin(b.life)
	case younger > 0:
		m.displace(b.life)
	default:
		m.outlive(b.life, now)
	}
}

// outlive sees to it that an older twin hears of this node, and leaves. The caller holds mu.
func (m *Members) outlive(l life, now time.Time) {
	m.hurry(now)
	if l == m.elder {
		return
	}
	m.elder = l
	m.say(hclog.Warn, "another live node has this node's name and is older: it leaves the fleet, and this one stays; end one of them, or give it "+
		"another name with --node and start it again", "node", m.origin.Node, "incarnation", m.me.incarnation, "other-incarnation", l.incarnation)
}

// displace leaves the fleet to a younger twin. The caller holds mu; run does what is left to do.
func (m *Members) displace(l life) {
	m.stage = displaced
	close(m.twinned)
	m.append(event.NodeLeft, &event.NodeDetail{Node: m.origin, Version: m.config.Version, Connections: uint64(m.config.Self.Live()),
		Head: m.config.Self.Cursor().Sequence,
		Message: fmt.Sprintf("another live node has this node's name and is younger (incarnation %s): this one (incarnation %s) has left the fleet; "+
			"it keeps its connections and answers for itself alone", l.incarnation, m.me.incarnation)})
	m.say(hclog.Error, "another live node has this node's name and is younger: this node has left the fleet; it keeps its connections and answers for "+
		"itself alone; end one of them, or give it another name with --node and start it again",
		"node", m.origin.Node, "incarnation", m.me.incarnation, "other-incarnation", l.incarnation)
	for _, r := range m.table {
		if r.Asked() {
			r.State = pb.NodeState_NODE_STATE_UNREACHABLE
			m.tell(event.NodeUnreachable, r, "this node has left the fleet: it asks no other one any more", time.Since(r.quiet))
		}
	}
	m.change()
}

// quit ends what others hear of a node that was displaced, and what it hears. Its last heartbeat is for the younger twin, which says in its
// log that it stays; to those who know that one it is of a life before.
func (m *Members) quit() {
	m.beat(pb.NodeState_NODE_STATE_LIVE)
	m.deafen()
}

// Listen begins to hear the fleet. The error is the bus's.
func (m *Members) Listen() error {
	m.mu.Lock()
	m.stage = joining
	m.mu.Unlock()
	for subject, deliver := range map[string]func(string, []byte){m.subjects.hello("*"): m.heardHello, m.subjects.beat("*"): m.heardBeat} {
		unsubscribe, err := m.config.Bus.Subscribe(subject, deliver)
		if err != nil {
			m.GiveUp()
			return fmt.Errorf("subscribing to %s: %w", subject, err)
		}
		m.unsubscribe = append(m.unsubscribe, unsubscribe)
	}
	return nil
}

// deafen ends the subscriptions.
func (m *Members) deafen() {
	for _, unsubscribe := range m.unsubscribe {
		unsubscribe()
	}
	m.unsubscribe = nil
}

// Begin takes part in the fleet, unless a twin was found: then it is the error, and nothing was begun. Retire is called once, in a
// goroutine of the membership, when the node is displaced: it has to end what answers other nodes.
func (m *Members) Begin(retire func()) error {
	m.mu.Lock()
	twin := m.twin
	if twin.incarnation == "" {
		m.stage = joined
	}
	m.mu.Unlock()
	if twin.incarnation != "" {
		return &TwinError{Node: m.origin.Node, Incarnation: twin.incarnation, Fleet: m.config.Fleet}
	}
	if !m.status.Connected {
		m.notConnected(m.status)
	}
	go m.run(retire)
	return nil
}

// GiveUp undoes listen when the node does not join. Nobody hears of it.
func (m *Members) GiveUp() {
	m.deafen()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stage = apart
}

// Stop says to the others that the node leaves, and ends what listen and begin began.
func (m *Members) Stop() {
	close(m.ending)
	<-m.ended
	m.mu.Lock()
	leaving := m.stage == joined
	if leaving {
		m.stage = left
	}
	m.mu.Unlock()
	if leaving && m.config.Bus.Status().Connected {
		m.beat(pb.NodeState_NODE_STATE_LEFT)
	}
	m.deafen()
}

// TwinError says that a live node of the fleet has this node's name.
type TwinError struct{ Node, Incarnation, Fleet string }

// Error says what to do.
func (e *TwinError) Error() string {
	return fmt.Sprintf("a live node of fleet %s is named %s already (incarnation %s); give this one another name with --node, or end that one first",
		e.Fleet, e.Node, e.Incarnation)
}
