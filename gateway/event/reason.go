package event

import "iter"

// CloseReason says why a connection ended or was not admitted. The first reason wins. The zero value is ReasonNone.
type CloseReason uint8

// The close reasons, numbered as in the contract (sockgate.v1.CloseReason).
const (
	// ReasonNone is the zero value: the connection is not closed.
	ReasonNone CloseReason = iota
	// ReasonPeerClosed is the orderly end: both sides had finished writing.
	ReasonPeerClosed
	// ReasonPeerReset is a reset by the peer, or a broken connection (ECONNRESET, EPIPE, ETIMEDOUT).
	ReasonPeerReset
	// ReasonIOError is another error of reading or writing; CloseText has it.
	ReasonIOError
	// ReasonIdleTimeout is an idle timeout: no byte was received or sent for so long, and the idle action is to close.
	ReasonIdleTimeout
	// ReasonSlowConsumer is a peer that took no byte of a non-empty send queue for the write timeout, or a handler's reply
	// that did not fit in the queue.
	ReasonSlowConsumer
	// ReasonKicked is a kick by a caller.
	ReasonKicked
	// ReasonShutdown is the end of the gateway: the connection had not ended by itself within the grace period.
	ReasonShutdown
	// ReasonHandler is a close by the handler.
	ReasonHandler
	// ReasonHandlerPanic is a panic of the handler; CloseText has its text.
	ReasonHandlerPanic
	// ReasonConnectionLimit refuses a connection beyond the limit of all connections. A refused connection was never
	// admitted: it is in Refused events, and has no Connected and no Closed.
	ReasonConnectionLimit
	// ReasonListenerLimit refuses a connection beyond the listener's limit.
	ReasonListenerLimit
	// ReasonIPLimit refuses a connection beyond the limit of its address or IPv6 /64 network.
	ReasonIPLimit
	// ReasonAcceptRate refuses a connection beyond the accept rate.
	ReasonAcceptRate
	// ReasonIPAcceptRate refuses a connection beyond the accept rate of its address or IPv6 /64 network.
	ReasonIPAcceptRate
	// ReasonDenied refuses an address that is in the deny list, or not in the allow list.
	ReasonDenied
	// ReasonBanned refuses a banned address or identity, or closes its connection when the ban is made.
	ReasonBanned
	// ReasonProxyHeader refuses a connection whose PROXY header is malformed, or missing where it is required.
	ReasonProxyHeader
	// ReasonProxyTimeout refuses a connection whose PROXY header was not complete within the handshake timeout.
	ReasonProxyTimeout
	// ReasonProxyUntrusted refuses a peer that is no trusted balancer, where a PROXY header is required.
	ReasonProxyUntrusted
	// ReasonTLSHandshake refuses a client whose TLS handshake failed, or that left during it.
	ReasonTLSHandshake
	// ReasonTLSTimeout refuses a client whose TLS handshake was not complete within the handshake timeout.
	ReasonTLSTimeout
	// ReasonHandshakeLimit refuses a client whose TLS handshake got no turn within the handshake timeout, or waited for
	// its peer and gave way to a newer one.
	ReasonHandshakeLimit
	// ReasonFirstByteTimeout is a peer that sent nothing for the first-byte timeout.
	ReasonFirstByteTimeout
	// ReasonQueueBudget is a reply of the handler that did not fit in the budget of all send queues together.
	ReasonQueueBudget
	// ReasonFrame is a peer whose bytes are no frames of the listener's framing; CloseText has the position.
	ReasonFrame
	// ReasonHandlerUnavailable is a remote handler without an instance for the hold timeout, or with too many connections
	// that wait for one.
	ReasonHandlerUnavailable
	// ReasonHandlerTimeout is a remote handler that sent no command for a new connection within the admit timeout.
	ReasonHandlerTimeout
	// ReasonHandlerFailed is a connection that cost three instances of a remote handler, or a command for it that could
	// not be carried out.
	ReasonHandlerFailed
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
	"TLS_TIMEOUT", "HANDSHAKE_LIMIT", "FIRST_BYTE_TIMEOUT", "QUEUE_BUDGET", "FRAME", "HANDLER_UNAVAILABLE",
	"HANDLER_TIMEOUT", "HANDLER_FAILED"}

// String returns the reason's name in the contract without its prefix, or the number of an unknown reason.
func (r CloseReason) String() string { return name(reasonNames[:], int(r)) }
