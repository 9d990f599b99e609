package event

import "time"

// Connection is a connection as it was at one moment. It is a copy: only Identity and Labels are shared.
type Connection struct {
	*Identity                        // nil in an event that is about no single connection
	LastActiveAt   time.Time         // when a byte was last received or taken by the kernel
	BytesReceived  uint64            // read from the peer
	BytesSent      uint64            // taken by the kernel for the peer
	QueuedBytes    uint64            // accepted for the peer and not yet taken by the kernel
	UnsentBytes    uint64            // accepted for the peer and lost by the close; 0 while the connection is open
	DiscardedBytes uint64            // arrived while the connection was being closed; no handler saw them
	Labels         map[string]string // never modified after it was published; nil when there are none
	ClosedAt       time.Time         // zero while the connection is open
	CloseText      string            // the operator's words or the error's text, at most 256 bytes; may be empty
	ClosedBy       string            // the caller that closed it through the control plane; empty for all other causes
	State          State
	CloseReason    CloseReason
	ReadPaused     bool // whether reading waits for the send queue to drain
}

// Live reports whether the socket is still open; in an Info without a connection it means nothing.
func (i *Connection) Live() bool { return i.State != StateClosed }

// State is a stage in the life of a connection. The zero value is none.
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
