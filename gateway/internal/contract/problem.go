package contract

import "google.golang.org/grpc/codes"

// problem is an error that a caller gets, with its status.
type Problem struct {
	Code     codes.Code
	Reason   string            // of the ErrorInfo, UPPER_SNAKE
	Field    string            // of the request, for BadRequest; may be empty
	Metadata map[string]string // of the ErrorInfo
	Text     string            // what was given, what was expected, what to do
}

// Error returns the sentence.
func (p *Problem) Error() string { return p.Text }

// Problem returns what the control plane makes a status of.
func (p *Problem) Problem() (code codes.Code, reason, field string, metadata map[string]string) {
	return p.Code, p.Reason, p.Field, p.Metadata
}

// The ErrorInfo reasons.
const (
	ReasonUnknownNode     = "UNKNOWN_NODE"     // INVALID_ARGUMENT in a scope; NOT_FOUND for ForgetNode and GetConnection
	ReasonNodeRequired    = "NODE_REQUIRED"    // INVALID_ARGUMENT: Shutdown has to say which node
	ReasonNodesMissing    = "NODES_MISSING"    // UNAVAILABLE: require_all, and not all answered, or it is not known which there are
	ReasonNodeUnreachable = "NODE_UNREACHABLE" // UNAVAILABLE: the only node that a call is about cannot be reached
	ReasonNodeTimedOut    = "NODE_TIMED_OUT"   // UNAVAILABLE: it was asked and did not answer
	ReasonNodeRefused     = "NODE_REFUSED"     // UNAVAILABLE: it refused; other codes: those of errors of a node that do not say why
	ReasonNodeLive        = "NODE_LIVE"        // FAILED_PRECONDITION: ForgetNode

	// These are as for a gateway that runs alone.
	ReasonNodeRestarted     = "NODE_RESTARTED"
	ReasonForgotten         = "CONNECTION_FORGOTTEN"
	ReasonInvalidPageToken  = "INVALID_PAGE_TOKEN"
	ReasonPageTokenMismatch = "PAGE_TOKEN_MISMATCH"
	reasonBanNotFound       = "BAN_NOT_FOUND"
)
