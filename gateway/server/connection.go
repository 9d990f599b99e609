package server

import (
	"time"

	"github.com/sockgate/sockgate/gateway/event"
)

// Connection is a copy of a connection's state at one moment. Its map of labels must not be modified.
type Connection = event.Connection

// State is a stage in the life of a connection.
type State = event.State

// CloseReason says why a connection ended. The first reason wins.
type CloseReason = event.CloseReason

// The close reasons that a handler may use or meet. Package event documents each.
const (
	ReasonPeerClosed         = event.ReasonPeerClosed
	ReasonPeerReset          = event.ReasonPeerReset
	ReasonIOError            = event.ReasonIOError
	ReasonIdleTimeout        = event.ReasonIdleTimeout
	ReasonSlowConsumer       = event.ReasonSlowConsumer
	ReasonKicked             = event.ReasonKicked
	ReasonShutdown           = event.ReasonShutdown
	ReasonHandler            = event.ReasonHandler
	ReasonHandlerPanic       = event.ReasonHandlerPanic
	ReasonBanned             = event.ReasonBanned
	ReasonFirstByteTimeout   = event.ReasonFirstByteTimeout
	ReasonQueueBudget        = event.ReasonQueueBudget
	ReasonFrame              = event.ReasonFrame
	ReasonHandlerUnavailable = event.ReasonHandlerUnavailable
	ReasonHandlerTimeout     = event.ReasonHandlerTimeout
	ReasonHandlerFailed      = event.ReasonHandlerFailed
)

// Matcher selects connections, for example a compiled filter of package filter. Several goroutines may call it at once,
// without a lock. It may pause the walk that it is part of, and must not keep the Connection.
type Matcher interface {
	// MatchAt reports whether the connection is selected at a moment: now, or the time of the event that info belongs to.
	MatchAt(info *Connection, at time.Time) bool
	// String returns the source of the Matcher, for records and for other nodes of a fleet.
	String() string
}

// MatchFunc turns a function into a Matcher. Several goroutines may call it at once. It must not block, and must not
// keep the Connection. Records call it `func`.
type MatchFunc func(info *Connection, at time.Time) bool

// MatchAt calls f.
func (f MatchFunc) MatchAt(info *Connection, at time.Time) bool { return f(info, at) }

// String returns `func`.
func (f MatchFunc) String() string { return "func" }
