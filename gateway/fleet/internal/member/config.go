package member

import (
	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/bus"
	"github.com/sockgate/sockgate/gateway/event"
)

// Config is what the membership needs to know of its node.
type Config struct {
	Fleet   string // its name
	Version string // of the program
	Bus     bus.Bus
	Self    Self
	Logger  hclog.Logger
}

// Self is what a fleet needs of the node that is in it: a *server.Server. Its methods may be called from any goroutine
// and do not block.
type Self interface {
	// Cursor returns the position of the newest event, with the node's name and life.
	Cursor() event.Cursor
	// Log returns the event log that gets the members' events.
	Log() *event.Log
	// Live returns how many connections are live.
	Live() int
	// Draining returns a channel that is closed when the node begins to drain.
	Draining() <-chan struct{}
}
