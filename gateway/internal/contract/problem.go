package contract

import "google.golang.org/grpc/codes"

// Problem is an error that knows the gRPC status that its caller gets. The control plane makes the status; a fleet
// returns such errors without importing control.
type Problem struct {
	Code     codes.Code
	Reason   string            // of the ErrorInfo: one of the Reason constants
	Field    string            // of the request, for BadRequest; may be empty
	Metadata map[string]string // of the ErrorInfo
	Text     string            // the given value, the expected one, and the remedy
}

// Error returns the text.
func (p *Problem) Error() string { return p.Text }

// Problem returns the code, the reason of the ErrorInfo, the field for BadRequest and the metadata of the ErrorInfo.
func (p *Problem) Problem() (code codes.Code, reason, field string, metadata map[string]string) {
	return p.Code, p.Reason, p.Field, p.Metadata
}
