package event

import "time"

// Connection is a connection's state at one moment. It is a copy: only Identity and Labels are shared.
type Connection struct {
	*Identity                        // nil in an event about no single connection
	LastActiveAt   time.Time         // when a byte was last received, or taken by the kernel
	BytesReceived  uint64            // bytes read from the peer
	BytesSent      uint64            // bytes taken by the kernel for the peer
	QueuedBytes    uint64            // bytes accepted for the peer and not yet taken by the kernel
	UnsentBytes    uint64            // bytes accepted for the peer and lost by the close; 0 while the connection is open
	DiscardedBytes uint64            // bytes that arrived while the connection was closing; no handler got them
	Labels         map[string]string // must not be modified; nil without labels
	ClosedAt       time.Time         // zero while the connection is open
	CloseText      string            // the operator's words or the error's text, at most 256 bytes; may be empty
	ClosedBy       string            // the caller that closed it through the control plane; empty for all other causes
	State          State             // see State
	CloseReason    CloseReason       // why the connection ended; ReasonNone while it is open
	ReadPaused     bool              // whether reading waits for the send queue to drain
}

// Live reports whether the socket is still open. It means nothing for a Connection without an Identity.
func (i *Connection) Live() bool { return i.State != StateClosed }

// State is a stage in the life of a connection. The zero value is no state.
type State uint8

// The states, in the order of a connection's life.
const (
	StateOpen             State = iota + 1
	StateHalfClosedRemote       // the peer finished writing
	StateHalfClosedLocal        // the gateway finished writing, or will when its queue is empty
	StateClosing                // the send queue is being flushed; nothing more is accepted
	StateClosed
)

var stateNames = [...]string{"UNSPECIFIED", "OPEN", "HALF_CLOSED_REMOTE", "HALF_CLOSED_LOCAL", "CLOSING", "CLOSED"}

// String returns the state's name in the contract without its prefix, or the number of an unknown state.
func (s State) String() string { return name(stateNames[:], int(s)) }
