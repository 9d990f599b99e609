package control

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/filter"
	"github.com/sockgate/sockgate/gateway/server"
)

// domain is the ErrorInfo domain of every error.
const domain = "sockgate"

// The ErrorInfo reasons.
const (
	reasonOutOfBounds        = "OUT_OF_BOUNDS"
	reasonMalformedID        = "MALFORMED_ID"
	reasonInvalidFilter      = "INVALID_FILTER"
	reasonInvalidCursor      = "INVALID_CURSOR"
	reasonInvalidPageToken   = "INVALID_PAGE_TOKEN"
	reasonPageTokenMismatch  = "PAGE_TOKEN_MISMATCH"
	reasonRequestIDReused    = "REQUEST_ID_REUSED"
	reasonTooManyRequestIDs  = "TOO_MANY_REQUEST_IDS"
	reasonTooManyStreams     = "TOO_MANY_STREAMS"
	reasonConnectionNotFound = "CONNECTION_NOT_FOUND"
	reasonForgotten          = "CONNECTION_FORGOTTEN"
	reasonNodeRestarted      = "NODE_RESTARTED"
	reasonUnknownNode        = "UNKNOWN_NODE"
	reasonDeadline           = "DEADLINE_EXCEEDED"
	reasonCanceled           = "CANCELED"
	reasonPanic              = "PANIC"
	reasonInternal           = "INTERNAL"

	reasonCredentialsRequired = "CREDENTIALS_REQUIRED"
	reasonTokenInvalid        = "TOKEN_INVALID"
	reasonTokenRevoked        = "TOKEN_REVOKED"
	reasonTokenExpired        = "TOKEN_EXPIRED"
	reasonCertificateInvalid  = "CERTIFICATE_INVALID"
	reasonCertificateExpired  = "CERTIFICATE_EXPIRED"
	reasonRoleRequired        = "ROLE_REQUIRED"
	reasonNoRole              = "NO_ROLE"
	reasonRoleUndeclared      = "ROLE_UNDECLARED"
	reasonTooManyCalls        = "TOO_MANY_CALLS"
	reasonTooManyBans         = "TOO_MANY_BANS"
	reasonBanNotFound         = "BAN_NOT_FOUND"
	reasonInvalidTarget       = "INVALID_TARGET"
)

// reasoned is an error from outside of this package that knows its status: a fleet's.
type reasoned interface {
	error
	// Problem returns the code, the ErrorInfo's reason in UPPER_SNAKE, the field of the request for BadRequest or "", and the ErrorInfo's
	// metadata.
	Problem() (code codes.Code, reason, field string, metadata map[string]string)
}

// boundsError says that a field is out of its bounds.
type boundsError struct {
	field, text string
}

func (e *boundsError) Error() string { return e.field + ": " + e.text }

// idError says that a field has something that is not a connection ID.
type idError struct {
	field, id string
	err       error
}

func (e *idError) Error() string { return e.err.Error() }

// short returns the beginning of what a caller gave, for metadata: errors travel in trailers, which have little room.
func short(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// problem is an error on its way to a status.
type problem struct {
	code     codes.Code
	reason   string
	field    string // of the request, for BadRequest
	metadata map[string]string
	retry    time.Duration // for RetryInfo
}

// classify is the one table from errors to statuses.
func classify(err error) problem {
	var (
		bounds    *boundsError
		badID     *idError
		malformed *server.MalformedIDError
		missing   *server.NotFoundError
		expr      *filter.Error
		cursor    *event.CursorError
		token     *tokenError
		reused    *server.RequestIDError
		denial    *denialError
		limit     *server.LimitError
		target    *server.BanTargetError
		noBan     *server.BanNotFoundError
		streams   *tooManyStreamsError
		unknown   *unknownNodeError
		foreign   reasoned
	)
	switch {
	case errors.As(err, &foreign):
		code, reason, field, metadata := foreign.Problem()
		return problem{code: code, reason: reason, field: field, metadata: metadata}
	case errors.As(err, &unknown):
		if unknown.field == "node" { // what a request is about, not whom it asks
			return problem{code: codes.NotFound, reason: reasonUnknownNode, metadata: map[string]string{"node": unknown.node}}
		}
		return problem{code: codes.InvalidArgument, reason: reasonUnknownNode, field: unknown.field, metadata: map[string]string{"node": unknown.node}}
	case errors.As(err, &denial):
		return problem{code: denial.code(), reason: denial.reason, metadata: denial.metadata}
	case errors.As(err, &limit):
		return problem{code: codes.InvalidArgument, reason: reasonOutOfBounds, field: "limits." + limit.Field}
	case errors.As(err, &target):
		return problem{code: codes.InvalidArgument, reason: reasonInvalidTarget, field: "target"}
	case errors.As(err, &noBan):
		return problem{code: codes.NotFound, reason: reasonBanNotFound, metadata: map[string]string{"target": short(noBan.Target)}}
	case errors.Is(err, server.ErrTooManyBans):
		return problem{code: codes.ResourceExhausted, reason: reasonTooManyBans}
	case errors.Is(err, errTooManyCalls):
		return problem{code: codes.ResourceExhausted, reason: reasonTooManyCalls, retry: time.Second}
	case errors.As(err, &bounds):
		return problem{code: codes.InvalidArgument, reason: reasonOutOfBounds, field: bounds.field}
	case errors.As(err, &badID):
		return problem{code: codes.InvalidArgument, reason: reasonMalformedID, field: badID.field, metadata: map[string]string{"id": short(badID.id)}}
	case errors.As(err, &malformed):
		return problem{code: codes.InvalidArgument, reason: reasonMalformedID, field: "id", metadata: map[string]string{"id": short(malformed.ID)}}
	case errors.As(err, &missing):
		return problem{code: codes.NotFound, reason: absence(missing.Outcome), metadata: map[string]string{"id": short(missing.ID)}}
	case errors.As(err, &expr):
		return problem{code: codes.InvalidArgument, reason: reasonInvalidFilter, field: "filter",
			metadata: map[string]string{"line": strconv.Itoa(expr.Line), "column": strconv.Itoa(expr.Column)}}
	case errors.As(err, &cursor):
		return problem{code: codes.InvalidArgument, reason: reasonInvalidCursor, field: "after"}
	case errors.As(err, &token):
		return problem{code: codes.InvalidArgument, reason: token.reason, field: "page_token"}
	case errors.As(err, &reused):
		return problem{code: codes.InvalidArgument, reason: reasonRequestIDReused, field: "request_id"}
	case errors.Is(err, server.ErrTooManyRequests):
		return problem{code: codes.ResourceExhausted, reason: reasonTooManyRequestIDs, retry: time.Minute}
	case errors.As(err, &streams):
		return problem{code: codes.ResourceExhausted, reason: reasonTooManyStreams, retry: 5 * time.Second}
	case errors.Is(err, context.DeadlineExceeded):
		return problem{code: codes.DeadlineExceeded, reason: reasonDeadline}
	case errors.Is(err, context.Canceled):
		return problem{code: codes.Canceled, reason: reasonCanceled}
	case errors.Is(err, errPanic):
		return problem{code: codes.Internal, reason: reasonPanic}
	}
	return problem{code: codes.Internal, reason: reasonInternal}
}

func absence(o server.Outcome) string {
	switch o {
	case server.OutcomeClosed:
		return reasonForgotten
	case server.OutcomeNodeRestarted:
		return reasonNodeRestarted
	case server.OutcomeUnknownNode:
		return reasonUnknownNode
	default:
		return reasonConnectionNotFound
	}
}

// toStatus makes a gRPC status of an error: with an ErrorInfo, and BadRequest or RetryInfo where apt. Statuses pass through:
// they come from gRPC itself.
func toStatus(err error) error {
	if _, ok := status.FromError(err); ok {
		return err
	}
	p, text := classify(err), validText(err.Error())
	details := []protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: p.reason, Domain: domain, Metadata: p.metadata}}
	if p.field != "" {
		details = append(details, &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
			{Field: p.field, Description: text, Reason: p.reason}}})
	}
	if p.retry > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(p.retry)})
	}
	s, detailErr := status.New(p.code, text).WithDetails(details...)
	if detailErr != nil {
		return status.Error(p.code, text) // only if a detail could not be marshalled; the sentence still arrives
	}
	return s.Err()
}
