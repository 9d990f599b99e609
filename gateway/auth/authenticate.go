package auth

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/tap"

	"github.com/sockgate/sockgate/gateway/auth/tokenfile"
	"github.com/sockgate/sockgate/gateway/internal/contract"
)

// Grant is the basis of a call: its caller, and how long the caller's identity is proven. A grant never changes.
type Grant struct {
	Caller
	Usage *Usage // of the caller's identity; nil until Guard.Authorize has counted the call

	until time.Time  // when the proof ends; zero: it does not expire
	over  error      // the denial after until
	token *liveToken // nil: the caller gave none
	guard *Guard     // counts denials; nil until Guard.Authorize has counted the call
}

// NewGrant returns a grant whose proof does not expire.
func NewGrant(c Caller) *Grant { return &Grant{Caller: c} }

// refusal says why a call has no grant. The tap leaves it in the call's context for the interceptor that answers.
type refusal struct{ err error }

type refusalKey struct{}

// refusalOf returns the reason why a call has no grant.
func refusalOf(ctx context.Context) error {
	if r, ok := ctx.Value(refusalKey{}).(refusal); ok {
		return r.err
	}
	return errNoCredentials // the call was never authenticated
}

// sessionOf returns the connection of a call, or nil for a call that did not come by the server's listener.
func sessionOf(ctx context.Context) *session {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return nil
	}
	s, _ := p.AuthInfo.(*session)
	return s
}

// valid returns the denial if the proof has ended, else nil.
func (g *Grant) valid(now time.Time) error {
	if !g.until.IsZero() && !now.Before(g.until) {
		return g.over
	}
	if g.token != nil && g.token.valid.Err() != nil {
		return errTokenRevoked
	}
	return nil
}

// Authenticate finds a call's caller from its headers, before any of its message is read, and takes the memory that the
// call holds. It is for gRPC's tap. The tap runs in the goroutine that reads the connection, so it must neither block
// nor panic. It refuses a call that has no room, with a *BudgetError. A call without a grant is not refused: the
// finding goes with the context to the interceptors, which deny it.
//
// Only few calls without a grant may be under way. A connection that makes too many is closed. If there are too many in
// all, the connection of the oldest such call is closed.
func (g *Guard) Authenticate(ctx context.Context, info *tap.Info) (context.Context, error) {
	s := sessionOf(ctx)
	if s == nil {
		return ctx, nil // without a grant, so the interceptors refuse it
	}
	granted, err := g.identify(ctx, s)
	of := &Caller{Address: s.address}
	if err == nil {
		of = &granted.Caller
		s.conn.trust(of)
		ctx = WithGrant(ctx, granted)
	} else if ctx = g.estranged(ctx, s, err); ctx.Value(refusalKey{}) == nil {
		return ctx, nil // its connection has just been closed
	}
	ctx, err = g.begin(ctx, s.conn, of)
	if err != nil {
		g.Denials.Refused(contract.ReasonOverBudget, info.FullMethodName, of)
	}
	return ctx, err
}

// estranged returns the context of a call without a grant, and counts the call.
func (g *Guard) estranged(ctx context.Context, s *session, why error) context.Context {
	call, over := g.strangers.enter(hostOf(s.address), s.conn)
	if over != nil {
		_ = over.Close() // its calls end with it
	}
	if call == nil {
		return ctx
	}
	context.AfterFunc(ctx, func() { g.strangers.leave(call) })
	return context.WithValue(ctx, refusalKey{}, refusal{why})
}

// identify returns the grant of a call: by its token, or else by its connection. A wrong token is an error even if no
// token was needed.
func (g *Guard) identify(ctx context.Context, s *session) (*Grant, error) {
	headers := metadata.ValueFromIncomingContext(ctx, "authorization")
	granted, err := s.grant, s.denial
	if len(headers) > 0 {
		granted, err = g.bearer(headers, s.address)
	}
	if err != nil {
		return nil, err
	}
	if err := granted.valid(time.Now()); err != nil {
		return nil, err
	}
	if granted.Role == roleless {
		return nil, noRole(&granted.Caller)
	}
	return granted, nil
}

// bearer returns the grant of a call's token.
func (g *Guard) bearer(headers []string, address string) (*Grant, error) {
	scheme, token, _ := strings.Cut(headers[0], " ")
	switch {
	case len(headers) > 1:
		return nil, tokenInvalid(fmt.Sprintf("%d authorization values in the metadata; expected one", len(headers)))
	case !strings.EqualFold(scheme, "bearer") || !tokenfile.IsToken(token):
		return nil, tokenInvalid("the authorization in the metadata is malformed; expected `Bearer`, a space, and a token: " +
			"sgt_ and 43 characters")
	case g.auth.Tokens == nil:
		return nil, tokenInvalid("this gateway has no token file, so it accepts no token; call without one, or have " +
			"one configured")
	}
	live, wasLive := g.auth.Tokens.find(token)
	switch {
	case live == nil && wasLive:
		return nil, errTokenRevoked
	case live == nil:
		return nil, tokenInvalid("the token is none of this gateway's; check that it is the right one, or have a new " +
			"one made")
	}
	granted := NewGrant(Caller{Identity: live.Name, Proof: proofToken, Role: live.right.Role, Handler: live.right.Handler,
		Address: address})
	granted.token, granted.until = live, live.Expires
	granted.over = &Denial{Reason: contract.ReasonTokenExpired,
		text: fmt.Sprintf("the token of %s expired at %s; have a new one made", live.Name, live.Expires.Format(time.RFC3339))}
	return granted, nil
}

func tokenInvalid(text string) *Denial {
	return &Denial{Reason: contract.ReasonTokenInvalid, text: text}
}
