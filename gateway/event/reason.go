package event

import "iter"

// CloseReason says why a connection ended or was not admitted. The first reason wins. The zero value is ReasonNone.
type CloseReason uint8

// The close reasons. The contract (sockgate.v1.CloseReason) defines each.
const (
	ReasonNone CloseReason = iota
	ReasonPeerClosed
	ReasonPeerReset
	ReasonIOError
	ReasonIdleTimeout
	ReasonSlowConsumer
	ReasonKicked
	ReasonShutdown
	ReasonHandler
	ReasonHandlerPanic
	ReasonConnectionLimit
	ReasonListenerLimit
	ReasonIPLimit
	ReasonAcceptRate
	ReasonIPAcceptRate
	ReasonDenied
	ReasonBanned
	ReasonProxyHeader
	ReasonProxyTimeout
	ReasonProxyUntrusted
	ReasonTLSHandshake
	ReasonTLSTimeout
	ReasonHandshakeLimit
	ReasonFirstByteTimeout
	ReasonQueueBudget
	reasonCount
)

// ReasonCount is one more than the highest close reason: the length of an array with reasons as indexes.
const ReasonCount = int(reasonCount)

// Reasons iterates over the close reasons in the order of their numbers, ReasonNone first.
func Reasons() iter.Seq[CloseReason] { return span(ReasonNone, reasonCount-1) }

// States iterates over the states of a connection in the order of their numbers, StateOpen first.
func States() iter.Seq[State] { return span(StateOpen, StateClosed) }

// span iterates over the numbers from first to last.
func span[E ~uint8](first, last E) iter.Seq[E] {
	return func(yield func(E) bool) {
		for e := first; e <= last && yield(e); e++ {
		}
	}
}

var reasonNames = [...]string{"UNSPECIFIED", "PEER_CLOSED", "PEER_RESET", "IO_ERROR", "IDLE_TIMEOUT", "SLOW_CONSUMER",
	"KICKED", "SHUTDOWN", "HANDLER", "HANDLER_PANIC", "CONNECTION_LIMIT", "LISTENER_LIMIT", "IP_LIMIT", "ACCEPT_RATE",
	"IP_ACCEPT_RATE", "DENIED", "BANNED", "PROXY_HEADER", "PROXY_TIMEOUT", "PROXY_UNTRUSTED", "TLS_HANDSHAKE",
	"TLS_TIMEOUT", "HANDSHAKE_LIMIT", "FIRST_BYTE_TIMEOUT", "QUEUE_BUDGET"}

// String returns the reason's name in the contract without its prefix, or the number of an unknown reason.
func (r CloseReason) String() string { return name(reasonNames[:], int(r)) }
