package member

import (
	"fmt"
	"math"
	"strings"
	"unicode"

	"google.golang.org/protobuf/proto"

	fleetv1 "github.com/sockgate/sockgate/gen/sockgate/fleet/v1"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// Sizes of the fields of a heartbeat.
const (
	instanceSize = 16
	mostVersion  = 100 // bytes kept of a version
	// mostLive is the most live connections that count of a node: its limit cannot be larger. So the sum over a fleet is
	// a number.
	mostLive = math.MaxInt32
)

// beat is a heartbeat that was heard.
type beat struct {
	node string
	life life
	said *fleetv1.Heartbeat // its state is one that a node can give itself
}

// readBeat reads a heartbeat. The subject names its sender.
func readBeat(s Subjects, subject string, data []byte) (beat, error) {
	b := beat{said: new(fleetv1.Heartbeat)}
	var err error
	if b.node, err = s.From(subject); err != nil {
		return beat{}, err
	}
	if err = proto.Unmarshal(data, b.said); err != nil {
		return beat{}, err
	}
	if b.life, err = parseLife(b.said.GetIncarnation(), b.said.GetInstance()); err != nil {
		return beat{}, err
	}
	if b.said.State, err = saidState(b.said.GetState()); err != nil {
		return beat{}, err
	}
	b.said.Version = readable(b.said.GetVersion())
	b.said.Connections, b.said.Stamp = min(b.said.GetConnections(), mostLive), min(b.said.GetStamp(), math.MaxInt64)
	return b, nil
}

// saidState returns the state that a node gives itself. A state that only a later version knows counts as LIVE, because
// the node is there.
func saidState(s pb.NodeState) (pb.NodeState, error) {
	switch s {
	case pb.NodeState_NODE_STATE_LIVE, pb.NodeState_NODE_STATE_DRAINING, pb.NodeState_NODE_STATE_LEFT:
		return s, nil
	case pb.NodeState_NODE_STATE_UNSPECIFIED, pb.NodeState_NODE_STATE_SUSPECT, pb.NodeState_NODE_STATE_UNREACHABLE,
		pb.NodeState_NODE_STATE_DISPLACED:
		return 0, fmt.Errorf("state %v; expected one that a node says of itself: LIVE, DRAINING or LEFT", s)
	}
	return pb.NodeState_NODE_STATE_LIVE, nil
}

// readable returns a version in a form that may be printed and kept. It keeps no other bytes of a longer text: members
// and events hold versions for long.
func readable(version string) string {
	version = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, version)
	if len(version) > mostVersion {
		version = strings.Clone(strings.ToValidUTF8(version[:mostVersion], ""))
	}
	return version
}

// readHello reads a Hello, with the node and the life of its sender.
func readHello(s Subjects, subject string, data []byte) (from string, l life, err error) {
	hello := new(fleetv1.Hello)
	if from, err = s.From(subject); err != nil {
		return "", life{}, err
	}
	if err = proto.Unmarshal(data, hello); err != nil {
		return "", life{}, err
	}
	l, err = parseLife(hello.GetIncarnation(), hello.GetInstance())
	return from, l, err
}

func (m *Members) hello() {
	m.publish(m.subjects.hello(m.origin.Node), &fleetv1.Hello{Incarnation: m.me.incarnation,
		Instance: []byte(m.me.instance)})
}

// beat publishes a heartbeat with a state. UNSPECIFIED stands for the node's own state.
func (m *Members) beat(state pb.NodeState) {
	me := m.Self()
	if state == pb.NodeState_NODE_STATE_UNSPECIFIED {
		state = me.State
	}
	m.publish(m.subjects.beat(m.origin.Node), &fleetv1.Heartbeat{Incarnation: m.me.incarnation,
		Instance: []byte(m.me.instance), State: state,
		Version: me.Version, Connections: me.Connections, EventHead: me.Head, OldestEvent: me.Oldest, Stamp: me.Stamp,
		ControlAddress: me.Address})
}

// publish hands a message to the bus. It logs the loss of a connection once, not for every message.
func (m *Members) publish(subject string, message proto.Message) {
	data, err := proto.Marshal(message)
	if err == nil {
		err = m.config.Bus.Publish(subject, data)
	}
	if err == nil || !m.config.Bus.Status().Connected {
		return
	}
	m.mu.Lock()
	defer m.unlock()
	m.complain(&m.refused, "a message to the fleet was not sent: without heartbeats for 10 s other nodes call this one "+
		"UNREACHABLE",
		"subject", subject, "problem", err)
}
