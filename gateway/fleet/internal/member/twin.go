package member

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/event"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// A twin is another live process with this node's name. The moment when it is heard decides:
//
//	while this node joins   the node that was first stays: this node refuses to start, and has published only Hellos.
//	                        Of two that join at the same time the older one goes on.
//	after that              two parts of the fleet have met, or a connection came late: the older one leaves. Its
//	                        connections stay, and it answers for itself alone.
const (
	joinMost  = 2 * time.Second        // for a connection and for twins, in all
	twinWait  = time.Second            // for a twin's heartbeat, once connected
	helloPace = 250 * time.Millisecond // between Hellos that may be lost, see Settle
)

// modeEmbedded is the mode of a bus with a server of its own. Such a bus has a connection before it has routes to
// others.
const modeEmbedded = "embedded"

// Settle publishes Hellos and waits for a twin to answer. Begin returns the twin. Settle does not wait for a connection
// that the bus could not make. The error is that of ctx.
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
			greeted = greeted && !embedded // routes may come up at any moment, and earlier messages are lost
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
	case b.life.instance == m.me.instance: // its own heartbeat
	case b.said.State == pb.NodeState_NODE_STATE_LEFT: // the twin is gone
	case m.stage == joining:
		m.foundTwin(b.life)
	case younger > 0:
		m.displace(b.life)
	default:
		m.outlive(b.life, now)
	}
}

// outlive lets an older twin hear of this node soon, so that it leaves. The caller holds mu.
func (m *Members) outlive(l life, now time.Time) {
	m.hurry(now)
	if l == m.elder {
		return
	}
	m.elder = l
	m.say(hclog.Warn, "another live node has this node's name and is older: it leaves the fleet, and this one stays; "+
		"end one of them, or give it another name and start it again",
		"node", m.origin.Node, "incarnation", m.me.incarnation, "other-incarnation", l.incarnation)
}

// displace leaves the fleet to a younger twin. run does the rest. The caller holds mu.
func (m *Members) displace(l life) {
	m.stage = displaced
	close(m.twinned)
	m.append(event.NodeLeft, &event.NodeDetail{Node: m.origin, Version: m.config.Version,
		Connections: uint64(m.config.Self.Live()),
		Head:        m.config.Self.Cursor().Sequence,
		Message: fmt.Sprintf("another live node has this node's name and is younger (incarnation %s): this one "+
			"(incarnation %s) has left the fleet; it keeps its connections and answers for itself alone",
			l.incarnation, m.me.incarnation)})
	m.say(hclog.Error, "another live node has this node's name and is younger: this node has left the fleet; it keeps "+
		"its connections and answers for itself alone; end one of them, or give it another name and start it again",
		"node", m.origin.Node, "incarnation", m.me.incarnation, "other-incarnation", l.incarnation)
	for _, r := range m.table {
		if r.Asked() {
			r.State = pb.NodeState_NODE_STATE_UNREACHABLE
			m.tell(event.NodeUnreachable, r, "this node has left the fleet: it asks no other one any more", time.Since(r.quiet))
		}
	}
	m.change()
	m.readdress()
}

// quit ends the membership of a node that was displaced. Its last heartbeat is for the younger twin, which then logs
// that it stays. The others know the younger one, and take the heartbeat for one of an earlier life.
func (m *Members) quit() {
	m.beat(pb.NodeState_NODE_STATE_LIVE)
	m.deafen()
}

// TwinError says that a live node of the fleet has this node's name. The operator has to rename or end one of them.
type TwinError struct{ Node, Incarnation, Fleet string }

// Error names the fleet, the node and the incarnation of its twin.
func (e *TwinError) Error() string {
	return fmt.Sprintf("a live node of fleet %s is named %s already (incarnation %s)", e.Fleet, e.Node, e.Incarnation)
}
