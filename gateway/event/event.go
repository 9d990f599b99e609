package event

import "time"

// Event is one thing that happened on a node. An event from a Subscription belongs to its reader, except for the
// identity, labels and detail: all subscribers share them, so they must not be modified.
type Event struct {
	// Sequence is the position in the log: dense, from 1. Events that belong to a stream and are not kept (Data,
	// Present, SnapshotComplete, Gap) carry the sequence of the newest kept event before them.
	Sequence uint64
	// Time is the moment of the event, to the nanosecond. When it is zero, Append sets it: the time when the log was made,
	// plus the time since. It therefore never goes back, and does not follow a clock that is set later.
	Time time.Time
	// Type is the kind of event.
	Type Type
	// Conn is the connection concerned, as it was at the event. Its Identity is nil when no single connection is
	// concerned.
	Conn Connection
	// Connections is the number of live connections after a Connected or Closed, at most 2^32-1. Append counts them.
	Connections uint64
	// Detail has the data that only this type of event carries; nil for Connected, Ended and Present.
	Detail Detail

	number uint64 // position among the log's Data events, from 1
}

// Type is a kind of event. The zero value is no type.
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

// TypeCount is one more than the highest type: the length of an array with types as indexes.
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

// Has reports whether t is in the set. The zero value has every type.
func (s Types) Has(t Type) bool { return s == 0 || s&(1<<t) != 0 }
