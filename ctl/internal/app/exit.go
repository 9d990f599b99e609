package app

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// The exit codes of ctl; scripts rely on them.
const (
	ExitDone        = 0 // everything that was asked for was done
	ExitFailed      = 1 // it failed
	ExitUsage       = 2 // the command line, or a value in it, is wrong
	ExitPartial     = 3 // some targets failed, others did not; nodes did not answer, or a part of an answer was refused
	ExitNotFound    = 4 // the targets do not exist
	ExitDenied      = 5 // the gateway does not let this caller do it
	ExitUnreachable = 6 // no gateway answered
)

// ExitError carries an exit code. Without Err the command has explained it already.
type ExitError struct {
	Code int
	Err  error
}

// Error returns the text of Err.
func (e *ExitError) Error() string {
	if e.Err == nil {
		return "failed"
	}
	return e.Err.Error()
}

// Unwrap returns Err.
func (e *ExitError) Unwrap() error { return e.Err }

// ExitWith ends the command with code and no further message; ExitDone is no error.
func ExitWith(code int) error {
	if code == ExitDone {
		return nil
	}
	return &ExitError{Code: code}
}

// ExitCode is the one way from an error to the process's exit code.
func ExitCode(err error) int {
	var exit *ExitError
	var call *CallError
	switch {
	case err == nil:
		return ExitDone
	case errors.As(err, &exit):
		return exit.Code
	case errors.As(err, &call) && call.tlsProblem() != nil:
		return call.tlsProblem().code
	case errors.As(err, &call) && call.Unreachable():
		return ExitUnreachable
	case errors.Is(err, context.Canceled):
		return ExitFailed
	}
	if st := StatusOf(err); st != nil {
		switch {
		case reasonOf(err) == reasonNodesMissing:
			return ExitPartial
		case AboutNode(err):
			return ExitFailed
		}
		return statusExitCode(st.Code())
	}
	return ExitFailed
}

// statusExitCode is the table from gRPC statuses to exit codes.
func statusExitCode(code codes.Code) int {
	switch code {
	case codes.OK:
		return ExitDone
	case codes.InvalidArgument, codes.OutOfRange:
		return ExitUsage
	case codes.NotFound:
		return ExitNotFound
	case codes.Unauthenticated, codes.PermissionDenied:
		return ExitDenied
	case codes.Unavailable:
		return ExitUnreachable
	default:
		return ExitFailed
	}
}

// OutcomeExitCode is the table from outcomes to exit codes, for a verb with one target.
func OutcomeExitCode(o pb.Outcome) int {
	switch o {
	case pb.Outcome_OUTCOME_WRITTEN, pb.Outcome_OUTCOME_QUEUED, pb.Outcome_OUTCOME_KICKED,
		pb.Outcome_OUTCOME_KICKED_UNFLUSHED, pb.Outcome_OUTCOME_WOULD_KICK,
		pb.Outcome_OUTCOME_LABELED:
		return ExitDone
	case pb.Outcome_OUTCOME_NOT_FOUND, pb.Outcome_OUTCOME_NODE_RESTARTED,
		pb.Outcome_OUTCOME_UNKNOWN_NODE:
		return ExitNotFound
	case pb.Outcome_OUTCOME_MALFORMED_ID:
		return ExitUsage
	default:
		return ExitFailed
	}
}

// Tally makes the exit code of a verb from the exit codes of its targets.
type Tally struct {
	Total, Done int
	code        int // the code that all failed targets share
	mixed       bool
}

// Add counts one target.
func (t *Tally) Add(code int) {
	t.Total++
	switch {
	case code == ExitDone:
		t.Done++
	case t.code == ExitDone:
		t.code = code
	case t.code != code:
		t.mixed = true
	}
}

// ExitCode is 0 if every target was done and 3 if only some were. If none was, it is the code that all share, or 1.
func (t *Tally) ExitCode() int {
	switch {
	case t.Done == t.Total:
		return ExitDone
	case t.Done > 0:
		return ExitPartial
	case t.mixed:
		return ExitFailed
	default:
		return t.code
	}
}
