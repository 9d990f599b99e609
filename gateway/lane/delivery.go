package lane

import (
	"time"

	"github.com/sockgate/sockgate/gateway/event"
)

// Kind is the kind of news in a Delivery.
type Kind uint8

// The kinds, in the order in which a lane gets them.
const (
	Opened  Kind = iota + 1 // the connection is the lane's from here on
	Data                    // bytes from the peer
	Ended                   // the peer finished writing
	Idle                    // the idle timeout ended
	Written                 // the send queue is over the high water, or has fallen to the low water
	Closed                  // the connection has ended
	Moved                   // the connection belongs to another lane
	// The next three are about the lane; Within says how long it has.
	Reattach // the lane's connection to the gateway is old, and ends
	Shutdown // the gateway drains, and closes the connections that are left
	Nodes    // the fleet's nodes have changed
)

// Delivery tells a lane about one connection. It is valid only during the call that gets it.
type Delivery struct {
	Kind       Kind
	Connection uint64           // the connection's number on this lane; see Command.Connection
	Position   uint64           // of the bytes received, behind this delivery
	Data       []byte           // Data: a frame, or bytes as they were read
	Info       event.Connection // Opened and Closed: the connection as it is now
	Sent       uint64           // Opened: bytes of all commands so far
	State      []byte           // Opened: what the last owner left
	Resumed    bool             // Opened: another lane had the connection before
	Attempt    uint32           // Opened: owners that were lost at this position
	Written    uint64           // Written: bytes of commands that the kernel has taken at least
	Within     time.Duration    // Reattach and Shutdown
}

// Command is what a lane makes the gateway do with one connection.
type Command struct {
	// Connection is the connection's number on the lane: the seq of its ID the first time that a lane gets it, and another
	// number each further time. So a command that was under way while the connection went to another lane and came back is
	// no command of the new time.
	Connection   uint64
	Data         []byte // not kept
	Acknowledged uint64 // position up to which the lane is done; 0 acknowledges nothing new
	State        []byte // nil: unchanged; at most MaxState; kept
	SetLabels    map[string]string
	RemoveLabels []string
	IdleTimeout  *time.Duration // nil: unchanged; 0: none
	NotifyIdle   *bool          // nil: unchanged
	Close        bool           // the connection ends behind Data
	Reset        bool           // with Close: at once
	Text         string         // of the close
	MoveTo       string         // an instance; empty: stay
}

// The bounds of commands and lanes.
const (
	MaxState    = 4 << 10   // bytes of a connection's state
	MaxData     = 1 << 20   // bytes of a command's data
	MaxLanes    = 1024      // of one handler
	MinWindow   = 4 << 10   // bytes
	MaxWindow   = 1 << 20   // bytes
	MaxDrain    = time.Hour // of a lane
	MaxInstance = 64        // bytes of an instance's name
	MaxHandler  = 32        // bytes of a handler's name
)

const (
	batchBytes = 64 << 10 // of one call of Next, about
	batchCount = 1024     // deliveries of one call of Next
	turnBytes  = 16 << 10 // of one connection in one call of Next
)
