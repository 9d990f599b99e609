package control

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/internal/contract"
)

// guard decides which calls may do what they ask for, unary and streams alike, and ends streams whose caller's proof has ended. What
// it does not know is denied.
type guard struct {
	auth      *AuthConfig
	access    accessTable // set before the first call
	calls     int         // most of one identity under way
	denials   *denials
	usages    usages
	strangers strangers
}

// newGuard returns a guard that lets one identity have so many calls under way.
func newGuard(auth *AuthConfig, calls int, log hclog.Logger) *guard {
	return &guard{auth: auth, calls: calls, denials: newDenials(log), usages: usages{all: make(map[string]*usage)},
		strangers: strangers{calls: make(map[string]int)}}
}

// authorize checks that a call may be made, counts it until leave, and returns its context, which says who makes it.
func (g *guard) authorize(ctx context.Context, method string) (_ context.Context, leave func(), _ error) {
	a := g.access[method]
	granted := grantOf(ctx)
	switch {
	case a.everybody:
		return ctx, func() {}, nil
	case granted == nil:
		return nil, nil, g.deny(stranger(ctx), method, refusalOf(ctx))
	case a.role == RoleNone:
		return nil, nil, g.deny(&granted.Caller, method, roleUndeclared(method))
	case granted.Role < a.role:
		return nil, nil, g.deny(&granted.Caller, method, roleRequired(&granted.Caller, method, method, a.role))
	}
	of, leave, err := g.usages.enter(&granted.Caller, g.calls)
	if err != nil {
		return nil, nil, err
	}
	counted := *granted
	counted.usage = of
	return withGrant(ctx, &counted), leave, nil
}

// stranger is the caller of a call that rests on nothing: only where it comes from is known.
func stranger(ctx context.Context) *Caller {
	if s := sessionOf(ctx); s != nil {
		return &Caller{Address: s.address}
	}
	return &Caller{}
}

// authorizeMessage checks the fields of a message that need a role of their own.
func (g *guard) authorizeMessage(ctx context.Context, method string, message any) error {
	m, ok := message.(proto.Message)
	if !ok || !g.access[method].fields {
		return nil
	}
	c := callerOf(ctx)
	if field, needs := beyond(m.ProtoReflect(), c.Role); field != "" {
		return g.deny(&c, method, roleRequired(&c, method, field+" of "+method, needs))
	}
	return nil
}

// deny counts a denial and returns it.
func (g *guard) deny(c *Caller, method string, err error) error {
	var denial *denialError
	if errors.As(err, &denial) {
		if denial.reason == contract.ReasonNoRole { // who is known, though the call rests on nothing
			c = &Caller{Identity: denial.metadata["identity"], Proof: denial.metadata["proof"], Address: c.Address}
		}
		g.denials.note(denial.reason, method, c)
	}
	return err
}

// unary is the interceptor of unary calls.
func (g *guard) unary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	ctx, leave, err := g.authorize(ctx, info.FullMethod)
	if err != nil {
		return nil, err
	}
	defer leave()
	if err := g.authorizeMessage(ctx, info.FullMethod, request); err != nil {
		return nil, err
	}
	return handler(ctx, request)
}

// stream is the interceptor of streams.
func (g *guard) stream(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	ctx, leave, err := g.authorize(stream.Context(), info.FullMethod)
	if err != nil {
		return err
	}
	defer leave()
	ctx, stop := grantOf(ctx).bound(ctx)
	defer stop()
	err = handler(service, &guardedStream{ServerStream: stream, ctx: ctx, guard: g, method: info.FullMethod})
	if over := proofOver(ctx); over != nil {
		return over
	}
	return err
}

// bound returns a context that ends when the proof does, with the reason as its cause; stop frees what it needs. A nil grant has no
// proof, and no end.
func (g *grant) bound(ctx context.Context) (_ context.Context, stop func()) {
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

// proofOver returns why the proof that a stream rests on has ended; nil while it has not.
func proofOver(ctx context.Context) error {
	var denial *denialError
	if errors.As(context.Cause(ctx), &denial) {
		return denial
	}
	return nil
}

// guardedStream is a stream that ends with its caller's proof, and whose messages are checked for what needs a role. A stream that
// waits for its caller just then, to send or to take something, ends when the caller does that.
type guardedStream struct {
	grpc.ServerStream
	ctx    context.Context
	guard  *guard
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
	return s.guard.authorizeMessage(s.ctx, s.method, m)
}

// SendMsg sends a message, unless the proof has ended.
func (s *guardedStream) SendMsg(m any) error {
	if err := proofOver(s.ctx); err != nil {
		return err
	}
	return s.ServerStream.SendMsg(m)
}
