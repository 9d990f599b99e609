package server

import (
	"time"

	"github.com/sockgate/sockgate/gateway/event"
)

// Connection is a copy of a connection as it was at one moment. Its map of labels must not be modified.
type Connection = event.Connection

// State is a connection's place in its life.
type State = event.State

// CloseReason says why a connection ended. The first reason wins.
type CloseReason = event.CloseReason

// The close reasons that a handler may use or meet; event has what each means.
const (
	ReasonPeerClosed       = event.ReasonPeerClosed
	ReasonPeerReset        = event.ReasonPeerReset
	ReasonIOError          = event.ReasonIOError
	ReasonIdleTimeout      = event.ReasonIdleTimeout
	ReasonSlowConsumer     = event.ReasonSlowConsumer
	ReasonKicked           = event.ReasonKicked
	ReasonShutdown         = event.ReasonShutdown
	ReasonHandler          = event.ReasonHandler
	ReasonHandlerPanic     = event.ReasonHandlerPanic
	ReasonBanned           = event.ReasonBanned
	ReasonFirstByteTimeout = event.ReasonFirstByteTimeout
	ReasonQueueBudget      = event.ReasonQueueBudget
)

// Matcher selects connections, for example a compiled filter of package filter. It must be safe for concurrent use and
// must not block or keep the Connection.
type Matcher interface {
	// MatchAt reports whether the connection, as it is in info, is selected at a moment: now, or the time of the event
	// that has info.
	MatchAt(info *Connection, at time.Time) bool
	// String returns the source, for records and for other nodes.
	String() string
}

// MatchFunc makes a Matcher of a function, which must be safe for concurrent use and must not block or keep the
// Connection. Records call it `func`.
type MatchFunc func(info *Connection, at time.Time) bool

// MatchAt calls f.
func (f MatchFunc) MatchAt(info *Connection, at time.Time) bool { return f(info, at) }

// String returns `func`.
func (f MatchFunc) String() string { return "func" }
