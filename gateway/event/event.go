package event

import "time"

// Event is one thing that happened on a node. An event that a Subscription delivered is the reader's own, except for
// the identity, labels and detail: all subscribers share them, and nobody may modify them.
type Event struct {
	// Sequence is the position in the log: dense, from 1. Events that belong to a stream and are not kept (Data,
	// Present, SnapshotComplete, Gap) carry the sequence of the newest kept event before them.
	Sequence uint64
	// Time is the moment of the event, to the nanosecond. When it is zero, Append sets it from the clock's time at the
	// making of the log and the time since. It therefore never goes back, and does not follow a clock that is set
	// later.
	Time time.Time
	// Type says which thing happened.
	Type Type
	// Conn is the connection concerned, as it was just then; its Identity is nil when no single connection is
	// concerned.
	Conn Connection
	// Connections is how many connections are live after a Connected or Closed, at most 2^32-1; Append counts them.
	Connections uint64
	// Detail has the data that only this type of event carries; nil for Connected, Ended and Present.
	Detail Detail

	number uint64 // of a Data event among the log's Data events, from 1
}

// Type is a kind of event. The zero value is none.
type Type uint8

// The event types. The contract (sockgate.v1.EventType) says when each is published.
const (
	Listening Type = iota + 1
	Connected
	Data
	Ended
	IdleTimeout
	BackpressureOn
	BackpressureOff
	Error
	Closed
	ListenerClosed
	DrainStarted
	DrainProgress
	DrainEnded
	Control
	Present
	SnapshotComplete
	Gap
	Refused
	NodeJoined
	NodeSuspect
	NodeUnreachable
	NodeRecovered
	NodeLeft
	typeCount
)

// TypeCount is one more than the highest type: the length of an array that types index.
const TypeCount = int(typeCount)

var typeNames = [...]string{"UNSPECIFIED", "LISTENING", "CONNECTED", "DATA", "ENDED", "IDLE_TIMEOUT", "BACKPRESSURE_ON",
	"BACKPRESSURE_OFF", "ERROR", "CLOSED", "LISTENER_CLOSED", "DRAIN_STARTED", "DRAIN_PROGRESS", "DRAIN_ENDED", "CONTROL",
	"PRESENT", "SNAPSHOT_COMPLETE", "GAP", "REFUSED", "NODE_JOINED", "NODE_SUSPECT", "NODE_UNREACHABLE", "NODE_RECOVERED",
	"NODE_LEFT"}

// String returns the type's name in the contract without its prefix, or the number of an unknown type.
func (t Type) String() string { return name(typeNames[:], int(t)) }

// Types is a set of types. The zero value means all types, so that Types(0).With(Closed) is the set of Closed alone.
type Types uint32

// With returns the set with t added. t is one of the constants of this package.
func (s Types) With(t Type) Types { return s | 1<<t }

// Has reports whether t is in the set; every type is in the zero value.
func (s Types) Has(t Type) bool { return s == 0 || s&(1<<t) != 0 }
