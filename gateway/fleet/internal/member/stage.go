package member

import (
	"fmt"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// stage is the stage of this node's membership.
type stage uint8

const (
	apart     stage = iota // has not joined, or could not
	joining                // listens for a twin and publishes only Hellos
	joined                 // publishes heartbeats
	displaced              // has left, because a younger node has its name
	left
)

// Listen subscribes to the fleet's messages. The error is the bus's.
func (m *Members) Listen() error {
	m.mu.Lock()
	m.stage = joining
	m.mu.Unlock()
	for subject, deliver := range map[string]func(string, []byte){m.subjects.hello("*"): m.heardHello,
		m.subjects.beat("*"): m.heardBeat} {
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

// Begin takes part in the fleet. If a twin was found, the error is a *TwinError and nothing was begun. When the node is
// displaced, the membership calls retire once, in a goroutine of its own. retire must end the answering of other nodes.
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

// GiveUp undoes Listen if the node does not join. No other node hears of it.
func (m *Members) GiveUp() {
	m.deafen()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stage = apart
}

// Stop tells the others that the node leaves, and ends everything that Listen and Begin began. It waits for the end,
// and must be called once.
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
