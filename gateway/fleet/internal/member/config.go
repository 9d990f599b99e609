package member

import (
	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/bus"
	"github.com/sockgate/sockgate/gateway/event"
)

// Config configures the membership of a node.
type Config struct {
	Fleet   string       // the fleet's name
	Version string       // the program's version
	Address string       // of the control plane, for programs that dial it; empty: other nodes are not told
	Bus     bus.Bus      // its owner closes it, after Stop
	Self    Self         // the node itself
	Logger  hclog.Logger // gets changes of members and of the bus's connection
}

// Self is the node in a fleet as the fleet needs it: a *server.Server. Its methods may be called from any goroutine and
// do not block.
type Self interface {
	// Cursor returns the position of the newest event, with the node's name and life.
	Cursor() event.Cursor
	// Log returns the event log that gets the events about members.
	Log() *event.Log
	// Live returns the number of live connections.
	Live() int
	// Draining returns a channel that is closed when the node begins to drain.
	Draining() <-chan struct{}
}
