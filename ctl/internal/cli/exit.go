package cli

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"

	sockgatev1 "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// The exit codes of ctl; scripts rely on them.
const (
	exitDone        = 0 // everything that was asked for was done
	exitFailed      = 1 // it failed
	exitUsage       = 2 // the command line, or a value in it, is wrong
	exitPartial     = 3 // some targets failed, others did not; or nodes of the fleet did not answer
	exitNotFound    = 4 // the targets do not exist
	exitDenied      = 5 // the gateway does not let this caller do it
	exitUnreachable = 6 // no gateway answered
)

// exitError carries an exit code. Without err, everything has been said already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return "failed"
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// exitWith ends the command with code and no further message; exitDone is no error.
func exitWith(code int) error {
	if code == exitDone {
		return nil
	}
	return &exitError{code: code}
}

// exitCode is the one way from an error to the process's exit code.
func exitCode(err error) int {
	var exit *exitError
	var call *callError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &exit):
		return exit.code
	case errors.As(err, &call) && call.tlsProblem() != nil:
		return call.tlsProblem().code
	case errors.As(err, &call) && call.unreachable():
		return exitUnreachable
	case errors.Is(err, context.Canceled):
		return exitFailed
	}
	if st := statusOf(err); st != nil {
		switch {
		case reasonOf(err) == reasonNodesMissing:
			return exitPartial
		case aboutNode(err):
			return exitFailed
		}
		return statusExitCode(st.Code())
	}
	return exitFailed
}

// statusExitCode is the table from gRPC statuses to exit codes.
func statusExitCode(code codes.Code) int {
	switch code {
	case codes.OK:
		return exitDone
	case codes.InvalidArgument, codes.OutOfRange:
		return exitUsage
	case codes.NotFound:
		return exitNotFound
	case codes.Unauthenticated, codes.PermissionDenied:
		return exitDenied
	case codes.Unavailable:
		return exitUnreachable
	default:
		return exitFailed
	}
}

// outcomeExitCode is the table from outcomes to exit codes, for a verb with one target.
func outcomeExitCode(o sockgatev1.Outcome) int {
	switch o {
	case sockgatev1.Outcome_OUTCOME_WRITTEN, sockgatev1.Outcome_OUTCOME_QUEUED, sockgatev1.Outcome_OUTCOME_KICKED,
		sockgatev1.Outcome_OUTCOME_KICKED_UNFLUSHED, sockgatev1.Outcome_OUTCOME_WOULD_KICK,
		sockgatev1.Outcome_OUTCOME_LABELED:
		return exitDone
	case sockgatev1.Outcome_OUTCOME_NOT_FOUND, sockgatev1.Outcome_OUTCOME_NODE_RESTARTED,
		sockgatev1.Outcome_OUTCOME_UNKNOWN_NODE:
		return exitNotFound
	case sockgatev1.Outcome_OUTCOME_MALFORMED_ID:
		return exitUsage
	default:
		return exitFailed
	}
}

// tally adds the exit codes of a verb's single targets up to the verb's own.
type tally struct {
	total, done int
	code        int // the code that all failed targets share
	mixed       bool
}

func (t *tally) add(code int) {
	t.total++
	switch {
	case code == exitDone:
		t.done++
	case t.code == exitDone:
		t.code = code
	case t.code != code:
		t.mixed = true
	}
}

// exitCode is 0 if every target was done and 3 if only some were; if none was, what they all failed of, else 1.
func (t *tally) exitCode() int {
	switch {
	case t.done == t.total:
		return exitDone
	case t.done > 0:
		return exitPartial
	case t.mixed:
		return exitFailed
	default:
		return t.code
	}
}
