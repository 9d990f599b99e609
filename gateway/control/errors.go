package control

import (
	"context"
	"errors"
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sockgate/sockgate/gateway/auth"
	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/filter"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	"github.com/sockgate/sockgate/gateway/lane"
	"github.com/sockgate/sockgate/gateway/server"
)

// reasoned is an error from outside this package that knows its own status, such as a *contract.Problem.
type reasoned interface {
	error
	// Problem returns the parts of the status: its code, the reason of its ErrorInfo in UPPER_SNAKE, the field of the
	// request for BadRequest or "", and the metadata of its ErrorInfo.
	Problem() (code codes.Code, reason, field string, metadata map[string]string)
}

// problem is an error on its way to a status.
type problem struct {
	code     codes.Code
	reason   string
	field    string // of the request, for BadRequest; "": none
	metadata map[string]string
	retry    time.Duration // for RetryInfo
}

// classify is the one table from errors to statuses.
func classify(err error) problem {
	var (
		bounds    *contract.BoundsError
		badID     *contract.IDError
		malformed *server.MalformedIDError
		missing   *server.NotFoundError
		expr      *filter.Error
		cursor    *event.CursorError
		token     *tokenError
		reused    *server.RequestIDError
		denial    *auth.Denial
		budget    *auth.BudgetError
		limit     *server.LimitError
		target    *server.BanTargetError
		noBan     *server.BanNotFoundError
		streams   *tooManyStreamsError
		unknown   *unknownNodeError
		hello     *lane.HelloError
		command   *lane.CommandError
		handler   *lane.UnknownHandlerError
		lanes     *lane.TooManyLanesError
		cause     *lane.Cause
		foreign   reasoned
	)
	switch {
	case errors.As(err, &budget): // first, because a caller may make it very often
		return problem{code: codes.ResourceExhausted, reason: contract.ReasonOverBudget, retry: time.Second}
	case errors.As(err, &foreign):
		code, reason, field, metadata := foreign.Problem()
		return problem{code: code, reason: reason, field: field, metadata: metadata}
	case errors.As(err, &unknown):
		if unknown.field == "node" { // the request is about this node, but is not sent to it
			return problem{code: codes.NotFound, reason: contract.ReasonUnknownNode,
				metadata: map[string]string{"node": unknown.node}}
		}
		return problem{code: codes.InvalidArgument, reason: contract.ReasonUnknownNode, field: unknown.field,
			metadata: map[string]string{"node": unknown.node}}
	case errors.As(err, &denial):
		return problem{code: denial.Code(), reason: denial.Reason, metadata: denial.Metadata}
	case errors.As(err, &limit):
		return problem{code: codes.InvalidArgument, reason: contract.ReasonOutOfBounds, field: "limits." + limit.Field}
	case errors.As(err, &target):
		return problem{code: codes.InvalidArgument, reason: contract.ReasonInvalidTarget, field: "target"}
	case errors.As(err, &noBan):
		return problem{code: codes.NotFound, reason: contract.ReasonBanNotFound,
			metadata: map[string]string{"target": contract.Short(noBan.Target)}}
	case errors.Is(err, server.ErrTooManyBans):
		return problem{code: codes.ResourceExhausted, reason: contract.ReasonTooManyBans}
	case errors.Is(err, auth.ErrTooManyCalls):
		return problem{code: codes.ResourceExhausted, reason: contract.ReasonTooManyCalls, retry: time.Second}
	case errors.As(err, &bounds):
		return problem{code: codes.InvalidArgument, reason: contract.ReasonOutOfBounds, field: bounds.Field}
	case errors.As(err, &badID):
		return problem{code: codes.InvalidArgument, reason: contract.ReasonMalformedID, field: badID.Field,
			metadata: map[string]string{"id": contract.Short(badID.ID)}}
	case errors.As(err, &malformed):
		return problem{code: codes.InvalidArgument, reason: contract.ReasonMalformedID, field: "id",
			metadata: map[string]string{"id": contract.Short(malformed.ID)}}
	case errors.As(err, &missing):
		return problem{code: codes.NotFound, reason: absence(missing.Outcome),
			metadata: map[string]string{"id": contract.Short(missing.ID)}}
	case errors.As(err, &expr):
		return problem{code: codes.InvalidArgument, reason: contract.ReasonInvalidFilter, field: "filter",
			metadata: map[string]string{"line": strconv.Itoa(expr.Line), "column": strconv.Itoa(expr.Column)}}
	case errors.As(err, &cursor):
		return problem{code: codes.InvalidArgument, reason: contract.ReasonInvalidCursor, field: "after"}
	case errors.As(err, &token):
		return problem{code: codes.InvalidArgument, reason: token.reason, field: "page_token"}
	case errors.As(err, &reused):
		return problem{code: codes.InvalidArgument, reason: contract.ReasonRequestIDReused, field: "request_id"}
	case errors.Is(err, server.ErrTooManyRequests):
		return problem{code: codes.ResourceExhausted, reason: contract.ReasonTooManyRequestIDs, retry: time.Minute}
	case errors.As(err, &hello):
		return problem{code: codes.InvalidArgument, reason: contract.ReasonInvalidHello, field: "hello"}
	case errors.As(err, &command):
		return problem{code: codes.InvalidArgument, reason: contract.ReasonInvalidCommand, field: "commands"}
	case errors.As(err, &handler):
		return problem{code: codes.NotFound, reason: contract.ReasonUnknownHandler}
	case errors.As(err, &lanes):
		return problem{code: codes.ResourceExhausted, reason: contract.ReasonTooManyLanes, retry: time.Second}
	case errors.As(err, &cause):
		if cause.Frozen {
			return problem{code: codes.DeadlineExceeded, reason: contract.ReasonInstanceFrozen}
		}
		return problem{code: codes.Unavailable, reason: contract.ReasonGatewayEnded}
	case errors.As(err, &streams):
		return problem{code: codes.ResourceExhausted, reason: contract.ReasonTooManyStreams, retry: 5 * time.Second}
	case errors.Is(err, context.DeadlineExceeded):
		return problem{code: codes.DeadlineExceeded, reason: contract.ReasonDeadline}
	case errors.Is(err, context.Canceled):
		return problem{code: codes.Canceled, reason: contract.ReasonCanceled}
	case errors.Is(err, errPanic):
		return problem{code: codes.Internal, reason: contract.ReasonPanic}
	}
	return problem{code: codes.Internal, reason: contract.ReasonInternal}
}

// reasonOf returns the reason of an error's ErrorInfo. gRPC's own errors have none.
func reasonOf(err error) string {
	if _, ok := status.FromError(err); ok {
		return "GRPC"
	}
	return classify(err).reason
}

func absence(o server.Outcome) string {
	switch o {
	case server.OutcomeClosed:
		return contract.ReasonForgotten
	case server.OutcomeNodeRestarted:
		return contract.ReasonNodeRestarted
	case server.OutcomeUnknownNode:
		return contract.ReasonUnknownNode
	default:
		return contract.ReasonConnectionNotFound
	}
}

// toStatus turns an error into a gRPC status with an ErrorInfo, and with BadRequest or RetryInfo where they apply. An
// error that is a status already, as gRPC itself makes them, and nil are returned as they are.
func toStatus(err error) error {
	if _, ok := status.FromError(err); ok { // nil too
		return err
	}
	p, text := classify(err), contract.ValidText(err.Error())
	details := []protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: p.reason, Domain: contract.Domain,
		Metadata: p.metadata}}
	if p.field != "" {
		details = append(details, &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
			{Field: p.field, Description: text, Reason: p.reason}}})
	}
	if p.retry > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(p.retry)})
	}
	s, detailErr := status.New(p.code, text).WithDetails(details...)
	if detailErr != nil {
		return status.Error(p.code, text) // only if a detail could not be marshalled; the text still arrives
	}
	return s.Err()
}
