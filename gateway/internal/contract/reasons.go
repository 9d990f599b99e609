package contract

// Reasons of ErrorInfo. Programs tell errors apart by them, so none may be renamed.
const (
	ReasonOutOfBounds         = "OUT_OF_BOUNDS"
	ReasonMalformedID         = "MALFORMED_ID"
	ReasonInvalidFilter       = "INVALID_FILTER"
	ReasonInvalidCursor       = "INVALID_CURSOR"
	ReasonInvalidPageToken    = "INVALID_PAGE_TOKEN"
	ReasonPageTokenMismatch   = "PAGE_TOKEN_MISMATCH"
	ReasonRequestIDReused     = "REQUEST_ID_REUSED"
	ReasonTooManyRequestIDs   = "TOO_MANY_REQUEST_IDS"
	ReasonTooManyStreams      = "TOO_MANY_STREAMS"
	ReasonConnectionNotFound  = "CONNECTION_NOT_FOUND"
	ReasonForgotten           = "CONNECTION_FORGOTTEN"
	ReasonNodeRestarted       = "NODE_RESTARTED"
	ReasonDeadline            = "DEADLINE_EXCEEDED"
	ReasonCanceled            = "CANCELED"
	ReasonPanic               = "PANIC"
	ReasonInternal            = "INTERNAL"
	ReasonCredentialsRequired = "CREDENTIALS_REQUIRED"
	ReasonTokenInvalid        = "TOKEN_INVALID"
	ReasonTokenRevoked        = "TOKEN_REVOKED"
	ReasonTokenExpired        = "TOKEN_EXPIRED"
	ReasonCertificateInvalid  = "CERTIFICATE_INVALID"
	ReasonCertificateExpired  = "CERTIFICATE_EXPIRED"
	ReasonRoleRequired        = "ROLE_REQUIRED"
	ReasonNoRole              = "NO_ROLE"
	ReasonRoleUndeclared      = "ROLE_UNDECLARED"
	ReasonTooManyCalls        = "TOO_MANY_CALLS"
	ReasonOverBudget          = "OVER_BUDGET"
	ReasonTooManyBans         = "TOO_MANY_BANS"
	ReasonBanNotFound         = "BAN_NOT_FOUND"
	ReasonInvalidTarget       = "INVALID_TARGET"
	ReasonInvalidHello        = "INVALID_HELLO"
	ReasonInvalidCommand      = "INVALID_COMMAND"
	ReasonUnknownHandler      = "UNKNOWN_HANDLER"
	ReasonUnknownInstance     = "UNKNOWN_INSTANCE"
	ReasonTooManyLanes        = "TOO_MANY_LANES"
	ReasonInstanceFrozen      = "INSTANCE_FROZEN"
	ReasonGatewayEnded        = "GATEWAY_ENDED"

	ReasonUnknownNode     = "UNKNOWN_NODE"     // INVALID_ARGUMENT in a scope; NOT_FOUND for ForgetNode and GetConnection
	ReasonNodeRequired    = "NODE_REQUIRED"    // INVALID_ARGUMENT: Shutdown must name one node
	ReasonNodesMissing    = "NODES_MISSING"    // UNAVAILABLE: require_all, and some nodes did not answer or are unknown
	ReasonNodeUnreachable = "NODE_UNREACHABLE" // UNAVAILABLE: the only node that a call is about cannot be reached
	ReasonNodeTimedOut    = "NODE_TIMED_OUT"   // UNAVAILABLE: the node was asked and did not answer
	// UNAVAILABLE: the node refused; or the code of a node's error without a reason.
	ReasonNodeRefused = "NODE_REFUSED"
	ReasonNodeLive    = "NODE_LIVE" // FAILED_PRECONDITION: ForgetNode
)

// Domain is the ErrorInfo domain of every error of a gateway.
const Domain = "sockgate"
