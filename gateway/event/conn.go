package event

import "time"

// Connection is a connection as it was at one moment. It is a copy: only Identity and Labels are shared. The counts are
// bytes.
type Connection struct {
	*Identity                        // nil in an event about no single connection
	LastActiveAt   time.Time         // when a byte was last received, or taken by the kernel
	BytesReceived  uint64            // bytes read from the peer
	BytesSent      uint64            // bytes taken by the kernel for the peer
	QueuedBytes    uint64            // bytes accepted for the peer and not yet taken by the kernel
	UnsentBytes    uint64            // bytes accepted for the peer and lost by the close; 0 while the connection is open
	DiscardedBytes uint64            // bytes that arrived while the connection was closing; no handler got them
	Unacknowledged uint64            // bytes that no instance of a remote handler has acknowledged
	Instance       string            // the instance of a remote handler that owns the connection; empty without one
	Labels         map[string]string // must not be modified; nil without labels
	ClosedAt       time.Time         // zero while the connection is open
	CloseText      string            // the operator's words or the error's text, at most 256 bytes; may be empty
	ClosedBy       string            // the caller that closed it through the control plane; empty for all other causes
	State          State             // its place in its life; 0 in an event that is about no single connection
	CloseReason    CloseReason       // why it ends or ended; ReasonNone while nothing ends it
	ReadPaused     bool              // whether reading waits for the send queue to drain, or for the handler
}

// Live reports whether the socket is still open; without an Identity it means nothing.
func (i *Connection) Live() bool { return i.State != StateClosed }

// State is a stage in the life of a connection. The zero value is no state.
type State uint8

// The states, in the order of a connection's life.
const (
	// StateOpen has both directions open.
	StateOpen State = iota + 1
	// StateHalfClosedRemote says that the peer finished writing; the gateway may still send.
	StateHalfClosedRemote
	// StateHalfClosedLocal says that the gateway finished writing, or will when its queue is empty; the peer may still
	// send.
	StateHalfClosedLocal
	// StateClosing says that the send queue is being flushed: nothing more is accepted, and bytes that still arrive are
	// discarded.
	StateClosing
	// StateClosed says that the socket is closed.
	StateClosed
)

var stateNames = [...]string{"UNSPECIFIED", "OPEN", "HALF_CLOSED_REMOTE", "HALF_CLOSED_LOCAL", "CLOSING", "CLOSED"}

// String returns the state's name in the contract without its prefix, or the number of an unknown state.
func (s State) String() string { return name(stateNames[:], int(s)) }
