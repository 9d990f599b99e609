package event

import "time"

// Event is one thing that happened on a node.
type Event struct {
	// Sequence is the position in the log: dense, from 1. Events that belong to a stream and are not kept (Data, Present,
	// SnapshotComplete, Gap) carry that of the newest kept event before them.
	Sequence uint64
	// Time is when it happened, to the nanosecond. When it is zero, Append sets it: by the clock as it was when the log was made,
	// and what has passed since, so that it never goes back, and does not follow a clock that is set meanwhile.
	Time time.Time
	// Type says what happened.
	Type Type
	// Conn is the connection that it happened to, as it was just then; its Identity is nil when there is none.
	Conn Info
	// Connections is how many connections are live after a Connected or Closed, at most 2^32-1; Append counts them.
	Connections uint64
	// Detail is what only this type of event has; nil for Connected, Ended and Present.
	Detail Detail

	number uint64 // of a Data event among those of the log, from 1
}

// Type names what happened.
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

// TypeCount is one more than the highest type.
const TypeCount = int(typeCount)

var typeNames = [...]string{"UNSPECIFIED", "LISTENING", "CONNECTED", "DATA", "ENDED", "IDLE_TIMEOUT", "BACKPRESSURE_ON",
	"BACKPRESSURE_OFF", "ERROR", "CLOSED", "LISTENER_CLOSED", "DRAIN_STARTED", "DRAIN_PROGRESS", "DRAIN_ENDED", "CONTROL",
	"PRESENT", "SNAPSHOT_COMPLETE", "GAP", "REFUSED", "NODE_JOINED", "NODE_SUSPECT", "NODE_UNREACHABLE", "NODE_RECOVERED", "NODE_LEFT"}

// String returns the type's name, as the contract has it without its prefix.
func (t Type) String() string { return name(typeNames[:], int(t)) }

// Types is a set of types; the zero value means all of them.
type Types uint32

// With returns the set with t added.
func (s Types) With(t Type) Types { return s | 1<<t }

// Has reports whether t is in the set.
func (s Types) Has(t Type) bool { return s == 0 || s&(1<<t) != 0 }

// Detail is what only one type of event has: one of the …Detail types of this package.
type Detail interface{ detail() }

// ListenerDetail is for Listening and ListenerClosed.
type ListenerDetail struct {
	Name    string
	Address string
}

// DataDetail is for Data. Bytes may be shared by many subscribers; nobody may modify it.
type DataDetail struct {
	Bytes []byte // the first bytes of the read
	Total int    // how many bytes the read had
}

// IdleDetail is for IdleTimeout.
type IdleDetail struct {
	Idle    time.Duration
	Closing bool // whether the connection is closed for it
}

// PauseDetail is for BackpressureOn and BackpressureOff.
type PauseDetail struct {
	Paused time.Duration // so far, or in all
	Queued uint64
}

// ErrorDetail is for Error.
type ErrorDetail struct {
	Operation Operation
	Message   string
	Count     uint64 // how many failures the event stands for
	Listener  string
}

// Operation says what was being done when it failed.
type Operation uint8

// The operations, as the contract's ErrorOperation has them.
const (
	OpAccept Operation = iota + 1
	OpRead
	OpWrite
	OpLimit // not used any more: see Refused
	OpHandler
	OpBanFile
)

var operationNames = [...]string{"UNSPECIFIED", "ACCEPT", "READ", "WRITE", "LIMIT", "HANDLER", "BAN_FILE"}

// String returns the operation's name, as the contract has it without its prefix.
func (o Operation) String() string { return name(operationNames[:], int(o)) }

// ClosedDetail is for Closed; the reason and the bytes are in the event's Conn.
type ClosedDetail struct {
	Lifetime time.Duration
}

// DrainDetail is for DrainStarted, DrainProgress and DrainEnded.
type DrainDetail struct {
	Deadline    time.Time
	Connections uint64
	Ended       uint64 // by themselves within the grace period
	Closed      uint64 // by the gateway when it was over
	Reason      string
}

// RefusedDetail is for Refused.
type RefusedDetail struct {
	Reason   CloseReason
	Listener string
	Count    uint64 // how many refusals the event stands for
	Message  string // of the newest
	Remote   string // address of the newest
}

// Actor is who asked for something through the control plane; the zero value is the process itself.
type Actor struct {
	Identity string
	Proof    string // how the identity was proven: `token`, `certificate`, `unix` or `none`
	Role     string // `VIEWER`, `OPERATOR` or `ADMIN`
	Address  string // of the call; empty on a unix socket
	// RequestID is what the caller calls its request; may be empty.
	RequestID string
	// Via is the node that the call was made at, when that is another one, which forwarded it.
	Via string
}

// ControlDetail is for Control.
type ControlDetail struct {
	Verb      string
	Actor     Actor
	Filter    string
	IDs       []string // the first 100
	Reason    string
	RequestID string
	Matched   uint64
	Outcomes  map[string]uint64
	DataBytes uint64
	Set       map[string]string // SetLabels; never modified
	Removed   []string          // SetLabels
	Changes   map[string]string // UpdateLimits; never modified
	Ban       string            // AddBan, RemoveBan: the target; Kick: for how long its peers are banned
	Nodes     map[string]string // what the other nodes answered that were asked on its behalf, by their names; never modified
}

// GapDetail is for Gap.
type GapDetail struct {
	From, To   uint64 // inclusive; 0 when it is not known
	Reason     GapReason
	Requested  string // the cursor that could not be honoured
	DataEvents uint64 // Data events passed over, for GapDataOverflow
}

// GapReason says why events are missing.
type GapReason uint8

// The reasons, as the contract's GapReason has them.
const (
	GapRestarted GapReason = iota + 1
	GapEvicted
	GapOverrun
	GapDataOverflow
	GapNodeLost
)

var gapReasonNames = [...]string{"UNSPECIFIED", "RESTARTED", "EVICTED", "OVERRUN", "DATA_OVERFLOW", "NODE_LOST"}

// String returns the reason's name, as the contract has it without its prefix.
func (r GapReason) String() string { return name(gapReasonNames[:], int(r)) }

// SnapshotDetail is for SnapshotComplete.
type SnapshotDetail struct {
	Connections uint64
	Cursor      Cursor
}

// NodeDetail is for NodeJoined, NodeSuspect, NodeUnreachable, NodeRecovered and NodeLeft.
type NodeDetail struct {
	Node        Origin // whom it is about
	Version     string
	Message     string
	Silent      time.Duration // for how long nothing was heard of it
	Connections uint64        // as of its last heartbeat
	Head        uint64        // sequence of its newest event, as of its last heartbeat
}

func (*NodeDetail) detail()     {}
func (*ListenerDetail) detail() {}
func (*DataDetail) detail()     {}
func (*IdleDetail) detail()     {}
func (*PauseDetail) detail()    {}
func (*ErrorDetail) detail()    {}
func (*ClosedDetail) detail()   {}
func (*DrainDetail) detail()    {}
func (*RefusedDetail) detail()  {}
func (*ControlDetail) detail()  {}
func (*GapDetail) detail()      {}
func (*SnapshotDetail) detail() {}
