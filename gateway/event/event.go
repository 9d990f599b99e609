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

// The event types, numbered as in the contract (sockgate.v1.EventType).
const (
	// Listening says that a listener accepts connections.
	Listening Type = iota + 1
	// Connected says that a connection was admitted.
	Connected
	// Data has bytes that were received. The log publishes it only to subscriptions with Options.MaxData.
	Data
	// Ended says that the peer finished writing (FIN).
	Ended
	// IdleTimeout says that no byte was received or sent for the idle timeout; once for each idle period.
	IdleTimeout
	// BackpressureOn says that reading from the peer has paused for 250 ms, for its send queue or its handler. Shorter
	// pauses make no event.
	BackpressureOn
	// BackpressureOff says that reading resumed after a BackpressureOn.
	BackpressureOff
	// Error says that something failed: a socket, accepting, a handler, or the ban file.
	Error
	// Closed says that a connection is closed; exactly one for each Connected.
	Closed
	// ListenerClosed says that a listener stopped accepting.
	ListenerClosed
	// DrainStarted says that a drain began: no connection is accepted any more.
	DrainStarted
	// DrainProgress says that the drain goes on; once a second.
	DrainProgress
	// DrainEnded says that no connection is left, or that the rest was closed at the deadline.
	DrainEnded
	// Control says that a mutation was carried out for an Actor.
	Control
	// Present is a connection that was live when a snapshot was taken. The control plane makes it for one stream.
	Present
	// SnapshotComplete says that a snapshot is complete. The control plane makes it for one stream.
	SnapshotComplete
	// Gap says that a subscription did not get events, and cannot get them any more.
	Gap
	// Refused says that connections were not admitted; at most one a second for each listener and reason.
	Refused
	// NodeJoined says that a node was heard of for the first time, or in a new life. This and the next five are of a
	// fleet.
	NodeJoined
	// NodeSuspect says that nothing has been heard of a node for 5 s.
	NodeSuspect
	// NodeUnreachable says that nothing has been heard of a node for 10 s; it is not asked any more.
	NodeUnreachable
	// NodeRecovered says that a suspect or unreachable node was heard of again, in the same life.
	NodeRecovered
	// NodeLeft says that a node leaves, was forgotten, or is this one and had to leave because another has its name.
	NodeLeft
	// NodeViolation says that a node sent something that no honest node sends, about another node or malformed.
	NodeViolation
	// HandlerAttached says that a lane of a remote handler's instance was opened.
	HandlerAttached
	// HandlerDetached says that a lane of a remote handler's instance has ended.
	HandlerDetached
	// HandlerStalled says that a remote handler has acknowledged nothing of a connection for 30 s, while its window was
	// full.
	HandlerStalled
	typeCount
)

// TypeCount is one more than the highest type: the length of an array with types as indexes.
const TypeCount = int(typeCount)

var typeNames = [...]string{"UNSPECIFIED", "LISTENING", "CONNECTED", "DATA", "ENDED", "IDLE_TIMEOUT", "BACKPRESSURE_ON",
	"BACKPRESSURE_OFF", "ERROR", "CLOSED", "LISTENER_CLOSED", "DRAIN_STARTED", "DRAIN_PROGRESS", "DRAIN_ENDED", "CONTROL",
	"PRESENT", "SNAPSHOT_COMPLETE", "GAP", "REFUSED", "NODE_JOINED", "NODE_SUSPECT", "NODE_UNREACHABLE", "NODE_RECOVERED",
	"NODE_LEFT", "NODE_VIOLATION", "HANDLER_ATTACHED", "HANDLER_DETACHED", "HANDLER_STALLED"}

// String returns the type's name in the contract without its prefix, or the number of an unknown type.
func (t Type) String() string { return name(typeNames[:], int(t)) }

// Types is a set of types. The zero value means all types, so that Types(0).With(Closed) is the set of Closed alone.
type Types uint32

// With returns the set with t added. t is one of the constants of this package.
func (s Types) With(t Type) Types { return s | 1<<t }

// Has reports whether t is in the set. The zero value has every type.
func (s Types) Has(t Type) bool { return s == 0 || s&(1<<t) != 0 }
