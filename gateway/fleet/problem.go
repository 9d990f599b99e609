package fleet

import "google.golang.org/grpc/codes"

// problem is an error that a caller gets, with its status.
type problem struct {
	code     codes.Code
	reason   string            // of the ErrorInfo, UPPER_SNAKE
	field    string            // of the request, for BadRequest; may be empty
	metadata map[string]string // of the ErrorInfo
	text     string            // what was given, what was expected, what to do
}

// Error returns the sentence.
func (p *problem) Error() string { return p.text }

// Problem returns what the control plane makes a status of.
func (p *problem) Problem() (code codes.Code, reason, field string, metadata map[string]string) {
	return p.code, p.reason, p.field, p.metadata
}

// The ErrorInfo reasons.
const (
	reasonUnknownNode     = "UNKNOWN_NODE"     // INVALID_ARGUMENT in a scope; NOT_FOUND for ForgetNode and GetConnection
	reasonNodeRequired    = "NODE_REQUIRED"    // INVALID_ARGUMENT: Shutdown has to say which node
	reasonNodesMissing    = "NODES_MISSING"    // UNAVAILABLE: require_all, and not all answered, or it is not known which there are
	reasonNodeUnreachable = "NODE_UNREACHABLE" // UNAVAILABLE: the only node that a call is about cannot be reached
	reasonNodeTimedOut    = "NODE_TIMED_OUT"   // UNAVAILABLE: it was asked and did not answer
	reasonNodeRefused     = "NODE_REFUSED"     // UNAVAILABLE: it refused; other codes: those of errors of a node that do not say why
	reasonNodeLive        = "NODE_LIVE"        // FAILED_PRECONDITION: ForgetNode

	// These are as for a gateway that runs alone.
	reasonNodeRestarted     = "NODE_RESTARTED"
	reasonForgotten         = "CONNECTION_FORGOTTEN"
	reasonInvalidPageToken  = "INVALID_PAGE_TOKEN"
	reasonPageTokenMismatch = "PAGE_TOKEN_MISMATCH"
	reasonBanNotFound       = "BAN_NOT_FOUND"
)
