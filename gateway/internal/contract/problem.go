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
