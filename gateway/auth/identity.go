package auth

import (
	"context"

	"google.golang.org/grpc/metadata"

	"github.com/sockgate/sockgate/gateway/event"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// Proofs of an identity.
const (
	proofToken       = "token"
	proofCertificate = "certificate"
	proofUnix        = "unix"
	proofNone        = "none"
)

// Caller is the maker of a call. The zero value is a caller that has proven nothing.
type Caller struct {
	Identity string  // a token's name, a certificate's identity, `uid:` and a number, or a network address
	Proof    string  // `token`, `certificate`, `unix` or `none`; empty: the call was not authenticated
	Role     pb.Role // ROLE_UNSPECIFIED: the caller may do nothing
	Handler  string  // the remote handler that ROLE_HANDLER may attach as; else empty
	Address  string  // the caller's IP address and port; empty on a unix socket
	Via      string  // name of the node that forwarded the call; empty if it came to this node
}

// right returns the caller's role with the name of its handler.
func (c *Caller) right() Right { return Right{c.Role, c.Handler} }

// RoleName returns the name of the caller's role in the form of event.Actor: `HANDLER:` and a name for ROLE_HANDLER.
func (c *Caller) RoleName() string { return c.right().Name() }

type grantKey struct{}

// WithGrant returns a call's context that carries a grant. The caller of WithGrant vouches for the grant.
func WithGrant(ctx context.Context, g *Grant) context.Context {
	return context.WithValue(ctx, grantKey{}, g)
}

// GrantOf returns the grant of a call. It is nil for a call that was not authenticated, which may do nothing.
func GrantOf(ctx context.Context) *Grant {
	g, _ := ctx.Value(grantKey{}).(*Grant)
	return g
}

// CallerOf returns the caller of a call, or the zero Caller if the call was not authenticated.
func CallerOf(ctx context.Context) Caller {
	if g := GrantOf(ctx); g != nil {
		return g.Caller
	}
	return Caller{}
}

// Actor returns the caller of a call in the form of events, with the ID that the caller gave to its request.
func Actor(ctx context.Context) event.Actor {
	c := CallerOf(ctx)
	return event.Actor{Identity: c.Identity, Proof: c.Proof, Role: c.RoleName(), Address: c.Address,
		RequestID: RequestID(ctx), Via: c.Via}
}

const (
	// RequestIDKey is the metadata key of the ID that a caller gives to a request.
	RequestIDKey = "x-request-id"
	// MaxRequestID is the most bytes of such an ID.
	MaxRequestID = 128
)

// RequestID returns the ID that the caller gave to its request, unchecked. It is the first if there are several, and
// empty if there is none.
func RequestID(ctx context.Context) string {
	if ids := metadata.ValueFromIncomingContext(ctx, RequestIDKey); len(ids) > 0 {
		return ids[0]
	}
	return ""
}
