package server

import (
	"time"

	"github.com/sockgate/sockgate/gateway/event"
)

// Connection is a connection as it was at one moment.
type Connection = event.Connection

// State says where a connection is in its life.
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

// Matcher selects connections. It must be safe for concurrent use and must not block or keep the Info.
type Matcher interface {
	// MatchAt reports whether the connection, as it is in the Info, is selected at a moment: now, or when the event
	// happened that the Info is of.
	MatchAt(info *Connection, at time.Time) bool
	// String returns the source, which is what records and other nodes are given.
	String() string
}

// MatchFunc makes a Matcher of a function, which must be safe for concurrent use and must not block or keep the Info.
// Records call it `func`.
type MatchFunc func(info *Connection, at time.Time) bool

// MatchAt calls f.
func (f MatchFunc) MatchAt(info *Connection, at time.Time) bool { return f(info, at) }

// String returns `func`.
func (f MatchFunc) String() string { return "func" }
