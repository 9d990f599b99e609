package auth

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/internal/contract"
	"github.com/sockgate/sockgate/gateway/internal/digest"
	"github.com/sockgate/sockgate/gateway/internal/share"
)

// Guard decides which calls are allowed, unary and streams alike, and ends streams whose caller's proof has ended. It
// denies methods that it does not know. Its methods may be called from any goroutine.
type Guard struct {
	// Access has the methods that may be called. It never changes.
	Access AccessTable
	// Denials counts the denied calls.
	Denials *Denials

	auth      *Config
	calls     int // most calls of one identity under way
	usages    usages
	strangers strangers
	memory    *share.Pool
}

// NewGuard returns a guard of the methods of a table. One identity may have at most calls calls under way, streams
// included. Calls hold bytes of memory. NewGuard keeps auth. Denials are logged by log.
func NewGuard(auth *Config, access AccessTable, calls int, memory *share.Pool, log *digest.Log) *Guard {
	return &Guard{auth: auth, Access: access, calls: calls, Denials: newDenials(log), memory: memory,
		usages: usages{all: make(map[string]*Usage)}, strangers: strangers{calls: make(map[string]int)}}
}

// Authorize checks that a method may be called, and counts the call until leave. The context that it returns has the
// caller's grant and usage. The error is a *Denial or ErrTooManyCalls; leave is nil then.
func (g *Guard) Authorize(ctx context.Context, method string) (_ context.Context, leave func(), _ error) {
	a := g.Access[method]
	granted := GrantOf(ctx)
	switch {
	case a.Everybody:
		return ctx, func() {}, nil
	case granted == nil:
		return nil, nil, g.deny(stranger(ctx), method, refusalOf(ctx))
	case a.Role == roleless:
		return nil, nil, g.deny(&granted.Caller, method, roleUndeclared(method))
	case !a.admits(granted.Role):
		return nil, nil, g.deny(&granted.Caller, method,
			roleRequired(&granted.Caller, method, method, Right{Role: a.Role}))
	}
	of, leave, err := g.usages.enter(&granted.Caller, g.calls)
	if err != nil {
		return nil, nil, err
	}
	counted := *granted
	counted.Usage, counted.guard = of, g
	return WithGrant(ctx, &counted), leave, nil
}

// stranger returns the caller of a call without a grant: only its address is known.
func stranger(ctx context.Context) *Caller {
	if s := sessionOf(ctx); s != nil {
		return &Caller{Address: s.address}
	}
	return &Caller{}
}

// AuthorizeMessage checks the fields of a request that need a larger role than its method does. The error is a *Denial.
func (g *Guard) AuthorizeMessage(ctx context.Context, method string, message any) error {
	m, ok := message.(proto.Message)
	if !ok || !g.Access[method].Fields {
		return nil
	}
	c := CallerOf(ctx)
	if field, needs := beyond(m.ProtoReflect(), c.Role); field != "" {
		return g.deny(&c, method, roleRequired(&c, method, field+" of "+method, Right{Role: needs}))
	}
	return nil
}

// deny counts an error that is a denial, and returns it.
func (g *Guard) deny(c *Caller, method string, err error) error {
	var denial *Denial
	if errors.As(err, &denial) {
		if denial.Reason == contract.ReasonNoRole { // the caller is known although the call has no grant
			c = &Caller{Identity: denial.Metadata["identity"], Proof: denial.Metadata["proof"], Address: c.Address}
		}
		g.Denials.denied(denial.Reason, method, c)
	}
	return err
}

// Stream is the interceptor of all calls, which are streams to gRPC here. It checks each message that the stream
// receives. When the caller's proof ends, it ends the stream with a *Denial.
func (g *Guard) Stream(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo,
	handler grpc.StreamHandler) error {
	ctx, leave, err := g.Authorize(stream.Context(), info.FullMethod)
	if err != nil {
		return err
	}
	defer leave()
	ctx, stop := GrantOf(ctx).bound(ctx)
	defer stop()
	err = handler(service, &guardedStream{ServerStream: stream, ctx: ctx, guard: g, method: info.FullMethod})
	if over := proofOver(ctx); over != nil {
		return over
	}
	return err
}

// bound returns a context that ends when the proof does, with the denial as its cause. stop frees its timer. A nil
// grant has no proof, and its context does not end.
func (g *Grant) bound(ctx context.Context) (_ context.Context, stop func()) {
	if g == nil {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stops := []func(){func() { cancel(nil) }}
	if !g.until.IsZero() {
		timer := time.AfterFunc(time.Until(g.until), func() { cancel(g.over) })
		stops = append(stops, func() { timer.Stop() })
	}
	if g.token != nil {
		ignore := context.AfterFunc(g.token.valid, func() { cancel(errTokenRevoked) })
		stops = append(stops, func() { ignore() })
	}
	return ctx, func() {
		for _, stop := range stops {
			stop()
		}
	}
}

// proofOver returns the denial of a stream whose caller's proof has ended, or nil while the proof holds.
func proofOver(ctx context.Context) error {
	var denial *Denial
	if errors.As(context.Cause(ctx), &denial) {
		return denial
	}
	return nil
}

// guardedStream is a stream that ends with its caller's proof. It checks the fields of its messages that need a role. A
// stream that waits for its caller to send or to take a message ends once the caller does so.
type guardedStream struct {
	grpc.ServerStream
	ctx    context.Context
	guard  *Guard
	method string
}

// Context returns the context that ends with the proof.
func (s *guardedStream) Context() context.Context { return s.ctx }

// RecvMsg receives a message and checks it.
func (s *guardedStream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	if err := proofOver(s.ctx); err != nil {
		return err
	}
	return s.guard.AuthorizeMessage(s.ctx, s.method, m)
}

// SendMsg sends a message, unless the proof has ended.
func (s *guardedStream) SendMsg(m any) error {
	if err := proofOver(s.ctx); err != nil {
		return err
	}
	return s.ServerStream.SendMsg(m)
}
