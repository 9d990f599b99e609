package contract

import "google.golang.org/grpc/codes"

// Problem is an error that knows the gRPC status that a caller gets. The control plane makes the status; a fleet
// returns such errors without importing control.
type Problem struct {
	Code     codes.Code
	Reason   string            // of the ErrorInfo: one of the Reason constants
	Field    string            // of the request, for BadRequest; may be empty
	Metadata map[string]string // of the ErrorInfo
	Text     string            // what was given, what was expected, what to do
}

// Error returns the sentence.
func (p *Problem) Error() string { return p.Text }

// Problem returns the code, and the ErrorInfo's reason, the field for BadRequest and the ErrorInfo's metadata.
func (p *Problem) Problem() (code codes.Code, reason, field string, metadata map[string]string) {
	return p.Code, p.Reason, p.Field, p.Metadata
}
