package event

import "time"

// Detail has the data that only some types of event carry: a pointer to one of this package's types that end in Detail.
// All subscribers share an appended detail, so it must not be modified.
type Detail interface{ detail() }

// ListenerDetail is for Listening and ListenerClosed.
type ListenerDetail struct {
	Name    string // the listener's
	Address string // with the port that was bound: `ip:port`, or `unix:` and a path
}

// DataDetail is for Data.
type DataDetail struct {
	Bytes []byte // the first bytes of the read, at most Options.MaxData
	Total int    // length of the read in bytes
}

// IdleDetail is for IdleTimeout.
type IdleDetail struct {
	Idle    time.Duration // since the last byte in either direction
	Closing bool          // whether the gateway closes the connection for it
}

// PauseDetail is for BackpressureOn and BackpressureOff.
type PauseDetail struct {
	Paused time.Duration // length of the pause so far (on) or in all (off)
	Queued uint64        // bytes in the send queue
	Cause  PauseCause    // why reading is paused, or was
}

// PauseCause says why reading from a peer is paused. The zero value is no cause.
type PauseCause uint8

// The causes, numbered as in the contract (sockgate.v1.BackpressureCause).
const (
	// CauseSendQueue is a send queue over the high water, or any queue while the queue budget is scarce.
	CauseSendQueue PauseCause = iota + 1
	// CauseHandler is the handler's own pause.
	CauseHandler
)

var causeNames = [...]string{"UNSPECIFIED", "SEND_QUEUE", "HANDLER"}

// String returns the cause's name in the contract without its prefix, or the number of an unknown cause.
func (c PauseCause) String() string { return name(causeNames[:], int(c)) }

// HandlerDetail is for HandlerAttached and HandlerDetached.
type HandlerDetail struct {
	Handler     string // the remote handler's name
	Instance    string // the instance
	Lane        uint64 // the lane's number, unique in the life of the node, from 1
	Message     string // the cause of the end, in words
	Connections uint64 // HandlerDetached: those of the lane, Moved plus Held; HandlerAttached: held ones that it has now
	Moved       uint64 // how many moved to another lane
	Held        uint64 // how many wait for a lane, or were closed because too many wait
	Actor       Actor  // the caller that attached
	Lanes       uint32 // lanes of the handler after it
}

// StalledDetail is for HandlerStalled.
type StalledDetail struct {
	Instance       string        // the instance that owns the connection
	Stalled        time.Duration // how long nothing was acknowledged
	Unacknowledged uint64        // bytes that are not acknowledged
	Position       uint64        // of the first byte that is not acknowledged
}

// ErrorDetail is for Error.
type ErrorDetail struct {
	Operation Operation // the work that failed
	Message   string    // the error's text, at most 256 bytes; of the newest failure
	Count     uint64    // how many failures the event stands for, at least 1
	Listener  string    // the listener's name, for OpAccept
}

// Operation names the work that failed. The zero value is no operation.
type Operation uint8

// The operations, numbered as in the contract (sockgate.v1.ErrorOperation).
const (
	// OpAccept is accepting a connection. The listener tries again, after 5 ms at first and 1 s at most.
	OpAccept Operation = iota + 1
	// OpRead is reading from a connection.
	OpRead
	// OpWrite is writing to a connection.
	OpWrite
	// OpLimit is not published any more: connections that a limit refuses make Refused events.
	OpLimit
	// OpHandler is running the handler, which panicked.
	OpHandler
	// OpBanFile is reading the ban file, which was damaged and is set aside: there are no bans until they are added again;
	// or writing it.
	OpBanFile
)

var operationNames = [...]string{"UNSPECIFIED", "ACCEPT", "READ", "WRITE", "LIMIT", "HANDLER", "BAN_FILE"}

// String returns the operation's name in the contract without its prefix, or the number of an unknown operation.
func (o Operation) String() string { return name(operationNames[:], int(o)) }

// ClosedDetail is for Closed; the reason and the bytes are in the event's Conn.
type ClosedDetail struct {
	Lifetime time.Duration // from accept to close
}

// DrainDetail is for DrainStarted, DrainProgress and DrainEnded.
type DrainDetail struct {
	Deadline    time.Time // when the gateway closes the connections that are left
	Connections uint64    // live connections
	Ended       uint64    // DrainEnded: connections that ended within the grace period
	Closed      uint64    // DrainEnded: connections that the gateway closed at the deadline
	Reason      string    // the operator's words, or the name of the signal
}

// RefusedDetail is for Refused.
type RefusedDetail struct {
	Reason   CloseReason // why they were refused
	Listener string      // the listener's name
	Count    uint64      // how many refusals the event stands for, at least 1
	Message  string      // about the newest of them
	Remote   string      // address of the newest of them
}

// Actor is the caller of a verb in the control plane. The zero value is the process itself.
type Actor struct {
	Identity string // the caller's name; its address when Proof is `none`
	Proof    string // how the identity was proven: `token`, `certificate`, `unix` or `none`
	Role     string // `VIEWER`, `OPERATOR`, `ADMIN`, or `HANDLER:` and the name of a remote handler
	Address  string // network address of the call; empty on a unix socket
	// RequestID is the caller's own name for its request; may be empty.
	RequestID string
	// Via is the node that received the call and forwarded it; empty when the caller asked this node.
	Via string
}

// ControlDetail is for Control: one mutation, its author and its outcome.
type ControlDetail struct {
	Verb      string            // the RPC's name, for example `Kick`
	Actor     Actor             // the caller
	Filter    string            // the source of the filter that chose the targets; empty when IDs chose them
	IDs       []string          // the first 100 IDs that the caller gave
	Reason    string            // the caller's words; may be empty
	RequestID string            // the caller's name for the request; may be empty
	Matched   uint64            // number of targets
	Outcomes  map[string]uint64 // targets by the outcome's name in the contract without its prefix; never modified
	DataBytes uint64            // payload bytes for each target; the payload itself is not kept
	Set       map[string]string // SetLabels: the labels that were set; never modified
	Removed   []string          // SetLabels: the keys that were removed; never modified
	Changes   map[string]string // UpdateLimits: each changed limit and its new value in words; never modified
	Ban       string            // AddBan, RemoveBan: the target; Kick: how long its peers are banned
	Nodes     map[string]string // the answers of the other nodes that were asked, by node; never modified
}

// GapDetail is for Gap. It is a range of events that the subscription did not get.
type GapDetail struct {
	From, To   uint64    // sequences, both inclusive; 0 when not known
	Reason     GapReason // why they are missing
	Requested  string    // the cursor that the log could not honour; empty without one
	DataEvents uint64    // Data events that were passed over, for GapDataOverflow
}

// GapReason says why events are missing. The zero value is no reason.
type GapReason uint8

// The reasons of a gap, numbered as in the contract (sockgate.v1.GapReason).
const (
	// GapRestarted says that the cursor is of another incarnation: events between it and the start of this one are gone.
	GapRestarted GapReason = iota + 1
	// GapEvicted says that the cursor is older than the oldest event kept.
	GapEvicted
	// GapOverrun says that the subscriber was slower than the events, and the ring went round.
	GapOverrun
	// GapDataOverflow says that Data events came faster than the subscriber read them. No other events are missing.
	GapDataOverflow
	// GapNodeLost says that the node has gone for good, or was forgotten, before its last events were read.
	GapNodeLost
	// GapNodeSilent says that the node does not serve the stream for now, or sent something that it may not.
	GapNodeSilent
)

var gapReasonNames = [...]string{"UNSPECIFIED", "RESTARTED", "EVICTED", "OVERRUN", "DATA_OVERFLOW", "NODE_LOST",
	"NODE_SILENT"}

// String returns the reason's name in the contract without its prefix, or the number of an unknown reason.
func (r GapReason) String() string { return name(gapReasonNames[:], int(r)) }

// SnapshotDetail is for SnapshotComplete.
type SnapshotDetail struct {
	Connections uint64 // how many Present events the snapshot had
	Cursor      Cursor // the position where live events begin
}

// NodeDetail is for NodeJoined, NodeSuspect, NodeUnreachable, NodeRecovered, NodeLeft and NodeViolation.
type NodeDetail struct {
	Node        Origin        // the node concerned and its incarnation
	Version     string        // version of its program
	Message     string        // the change in words
	Silent      time.Duration // time since its last message; 0 when silence is not the cause
	Connections uint64        // its live connections, as of its last heartbeat
	Head        uint64        // sequence of its newest event, as of its last heartbeat
	Count       uint64        // NodeViolation: messages that were not used since the last such event
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
func (*HandlerDetail) detail()  {}
func (*StalledDetail) detail()  {}
func (*SnapshotDetail) detail() {}
