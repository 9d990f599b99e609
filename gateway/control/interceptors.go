package control

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/logging"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"

	"github.com/sockgate/sockgate/gateway/auth"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	"github.com/sockgate/sockgate/gateway/internal/digest"
	"github.com/sockgate/sockgate/gateway/internal/turn"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// errPanic is the error that a caller gets for a panic.
var errPanic = errors.New("the gateway failed inside while answering; its log has the details")

// interceptors returns the steps of every call, outermost first: take turns, log, turn errors into statuses, recover,
// hold memory, refuse unknown methods, authorize, validate its request ID. Logging comes first so that it sees the
// status that the caller gets, also after a panic. The guard's tap, which authenticates, runs before all of them. To
// gRPC every call is a stream; see services.
func interceptors(l *Local) []grpc.ServerOption {
	onPanic := recovery.WithRecoveryHandlerContext(func(_ context.Context, p any) error { return l.panicked(p) })
	calls := []logging.Option{logging.WithLogOnEvents(logging.FinishCall), logging.WithLevels(logLevel),
		logging.WithFieldsFromContext(callerFields)}
	return []grpc.ServerOption{
		grpc.InTapHandle(func(ctx context.Context, info *tap.Info) (context.Context, error) {
			if err := checkMethodName(info.FullMethodName); err != nil {
				return ctx, err
			}
			ctx, err := l.guard.Authenticate(ctx, info)
			return ctx, toStatus(err)
		}),
		grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error { return errUnchecked }), // knownMethod comes before
		grpc.UnaryInterceptor(refuseUnary),
		grpc.ChainStreamInterceptor(
			l.inTurns,
			logging.StreamServerInterceptor(callLogger(l.config.Logger, l.digest), calls...),
			l.statuses,
			recovery.StreamServerInterceptor(onPanic),
			l.holdMemory,
			l.knownMethod,
			l.guard.Stream,
			validateRequestID,
		),
	}
}

// panicked logs a panic and returns the error for the caller. Panics of one place in the code share a line, because a
// caller that can make one may make many.
func (l *Local) panicked(p any) error {
	place := make([]uintptr, 64)
	place = place[:runtime.Callers(1, place)]
	l.digest.Note(hclog.Error, "panic in the control plane", fmt.Sprint(place), "panic", fmt.Sprint(p), "stack",
		string(debug.Stack()))
	return errPanic
}

// callLogger writes calls to the gateway's log: ordinary ones at level debug, and the failed ones of a method together.
func callLogger(logger hclog.Logger, failed *digest.Log) logging.Logger {
	return logging.LoggerFunc(func(_ context.Context, level logging.Level, msg string, fields ...any) {
		fields = withoutType(fields)
		if level == logging.LevelError {
			failed.Note(hclog.Error, msg, msg+methodIn(fields), fields...)
			return
		}
		logger.Debug(msg, fields...)
	})
}

// withoutType removes the type of a call from its log fields, because here gRPC takes every call for a stream.
func withoutType(fields []any) []any {
	if at := slices.Index(fields, any("grpc.method_type")); at >= 0 {
		return slices.Delete(slices.Clone(fields), at, at+2)
	}
	return fields
}

// methodIn returns the method in the log fields of a call.
func methodIn(fields []any) string {
	if at := slices.Index(fields, any("grpc.method")); at >= 0 {
		return fmt.Sprint(fields[at+1])
	}
	return ""
}

// callerFields returns the log fields that describe a call's caller.
func callerFields(ctx context.Context) logging.Fields {
	c := auth.CallerOf(ctx)
	if c.Identity == "" {
		return nil
	}
	return logging.Fields{"identity", hclog.Quote(c.Identity), "proof", c.Proof, "role", c.RoleName()}
}

// logLevel keeps ordinary calls out of the log: mutations, denials and refusals have lines of their own there.
func logLevel(code codes.Code) logging.Level {
	switch code {
	case codes.Internal, codes.Unknown, codes.DataLoss:
		return logging.LevelError
	}
	return logging.LevelDebug
}

// statuses turns errors into statuses, and counts calls that were refused because of a bound.
func (l *Local) statuses(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo,
	handler grpc.StreamHandler) error {
	err := handler(service, stream)
	if err == nil {
		return nil
	}
	s := toStatus(err)
	if status.Code(s) == codes.ResourceExhausted {
		c := auth.CallerOf(stream.Context())
		l.guard.Denials.Refused(reasonOf(err), info.FullMethod, &c)
	}
	return s
}

// scopeCheck reports whether the nodes that a request names can be asked. A nil scopeCheck accepts all nodes.
type scopeCheck func(*pb.Scope) error

// admit checks a request against its bounds and, if it has one, its scope. The context that it returns carries the
// request's meaning.
func (c scopeCheck) admit(ctx context.Context, request any) (context.Context, error) {
	ctx, err := withMeaning(ctx, request)
	if err != nil {
		return ctx, err
	}
	if r, ok := request.(interface{ GetScope() *pb.Scope }); ok && c != nil {
		return ctx, c(r.GetScope())
	}
	return ctx, nil
}

// unary is the step of a call with one request and one answer: it validates the request, and waits for room for the
// answer.
func (c scopeCheck) unary(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any,
	error) {
	ctx, err := c.admit(ctx, request)
	if err != nil {
		return nil, err
	}
	turn.Of(ctx).End()
	if err := auth.CallOf(ctx).Prepare(ctx, answerBytes(request)); err != nil {
		return nil, err
	}
	return handler(ctx, request)
}

// validatedStream checks each message that a stream receives.
type validatedStream struct {
	grpc.ServerStream
	scope scopeCheck
}

// RecvMsg receives a message and checks it.
func (s validatedStream) RecvMsg(m any) error {
	defer turn.Of(s.Context()).End()
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	_, err := s.scope.admit(s.Context(), m)
	return err
}

// validateRequestID is the interceptor that checks the ID that the caller gave to its request.
func validateRequestID(service any, stream grpc.ServerStream, _ *grpc.StreamServerInfo,
	handler grpc.StreamHandler) error {
	if err := checkRequestID(stream.Context()); err != nil {
		return err
	}
	return handler(service, stream)
}

// checkRequestID checks the ID that the caller gave to its request, because it is written to logs and events.
func checkRequestID(ctx context.Context) error {
	ids := metadata.ValueFromIncomingContext(ctx, auth.RequestIDKey)
	id := auth.RequestID(ctx)
	return contract.First(
		contract.Check(len(ids) <= 1, auth.RequestIDKey, "%d values in the metadata; expected at most one", len(ids)),
		contract.Check(len(id) <= auth.MaxRequestID, auth.RequestIDKey, "%d bytes in the metadata; expected at most %d",
			len(id), auth.MaxRequestID),
		contract.Check(!strings.ContainsFunc(id, notPrintable), auth.RequestIDKey,
			"%.50q in the metadata; expected printable ASCII", id),
	)
}

func notPrintable(r rune) bool { return r < ' ' || r > '~' }
