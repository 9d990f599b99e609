package control

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/logging"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/sockgate/sockgate/gateway/auth"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// errPanic is the error that a caller gets for a panic.
var errPanic = errors.New("the gateway failed inside while answering; its log has the details")

// interceptors returns the steps of every call, unary and stream alike, outermost first: log, turn errors into
// statuses, recover, authorize, validate. Logging comes first so that it sees the status that the caller gets, also
// after a panic. The guard's tap, which authenticates, runs before all of them. The scope refuses requests whose nodes
// cannot be asked; a nil scope refuses none.
func interceptors(logger hclog.Logger, g *auth.Guard, scope scopeCheck) []grpc.ServerOption {
	onPanic := recovery.WithRecoveryHandlerContext(func(_ context.Context, p any) error { return panicked(logger, p) })
	calls := []logging.Option{logging.WithLogOnEvents(logging.FinishCall), logging.WithLevels(logLevel),
		logging.WithFieldsFromContext(callerFields)}
	return []grpc.ServerOption{
		grpc.InTapHandle(g.Authenticate),
		grpc.ChainUnaryInterceptor(
			logging.UnaryServerInterceptor(callLogger(logger), calls...),
			unaryStatus,
			recovery.UnaryServerInterceptor(onPanic),
			g.Unary,
			scope.unary,
		),
		grpc.ChainStreamInterceptor(
			logging.StreamServerInterceptor(callLogger(logger), calls...),
			streamStatus,
			recovery.StreamServerInterceptor(onPanic),
			g.Stream,
			scope.stream,
		),
	}
}

// panicked logs a panic and returns the error for the caller.
func panicked(logger hclog.Logger, p any) error {
	logger.Error("panic in the control plane", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	return errPanic
}

// callLogger writes calls to the gateway's log.
func callLogger(logger hclog.Logger) logging.Logger {
	return logging.LoggerFunc(func(_ context.Context, level logging.Level, msg string, fields ...any) {
		switch level {
		case logging.LevelError:
			logger.Error(msg, fields...)
		case logging.LevelWarn:
			logger.Warn(msg, fields...)
		default:
			logger.Debug(msg, fields...)
		}
	})
}

// callerFields returns the log fields that describe a call's caller.
func callerFields(ctx context.Context) logging.Fields {
	c := auth.CallerOf(ctx)
	if c.Identity == "" {
		return nil
	}
	return logging.Fields{"identity", hclog.Quote(c.Identity), "proof", c.Proof, "role", auth.RoleName(c.Role)}
}

// logLevel keeps ordinary calls out of the log: mutations and denials have lines of their own there.
func logLevel(code codes.Code) logging.Level {
	switch code {
	case codes.Internal, codes.Unknown, codes.DataLoss:
		return logging.LevelError
	case codes.ResourceExhausted:
		return logging.LevelWarn
	}
	return logging.LevelDebug
}

func unaryStatus(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	response, err := handler(ctx, request)
	if err != nil {
		return nil, toStatus(err)
	}
	return response, nil
}

func streamStatus(service any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if err := handler(service, stream); err != nil {
		return toStatus(err)
	}
	return nil
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

func (c scopeCheck) unary(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any,
	error) {
	if err := validateRequestID(ctx); err != nil {
		return nil, err
	}
	ctx, err := c.admit(ctx, request)
	if err != nil {
		return nil, err
	}
	return handler(ctx, request)
}

func (c scopeCheck) stream(service any, stream grpc.ServerStream, _ *grpc.StreamServerInfo,
	handler grpc.StreamHandler) error {
	if err := validateRequestID(stream.Context()); err != nil {
		return err
	}
	return handler(service, validatedStream{stream, c})
}

// validatedStream checks each message that a stream receives.
type validatedStream struct {
	grpc.ServerStream
	scope scopeCheck
}

// RecvMsg receives a message and checks it.
func (s validatedStream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	_, err := s.scope.admit(s.Context(), m)
	return err
}

// validateRequestID checks the ID that the caller gave to its request, because it is written to logs and events.
func validateRequestID(ctx context.Context) error {
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
