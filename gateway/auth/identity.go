package auth

import (
	"context"

	"google.golang.org/grpc/metadata"

	"github.com/sockgate/sockgate/gateway/event"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// How a caller has proven its identity.
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
	Role     pb.Role // ROLE_UNSPECIFIED may do nothing
	Address  string  // IP address and port that the call came from; empty on a unix socket
	Via      string  // name of the node that forwarded the call; empty when it came to this node
}

type grantKey struct{}

// WithGrant returns a context of a call that rests on a grant. The caller of WithGrant vouches for it.
func WithGrant(ctx context.Context, g *Grant) context.Context {
	return context.WithValue(ctx, grantKey{}, g)
}

// GrantOf returns the grant that a call rests on; nil for a call that was not authenticated, which may do nothing.
func GrantOf(ctx context.Context) *Grant {
	g, _ := ctx.Value(grantKey{}).(*Grant)
	return g
}

// CallerOf returns the caller of a call; the zero Caller when the call was not authenticated.
func CallerOf(ctx context.Context) Caller {
	if g := GrantOf(ctx); g != nil {
		return g.Caller
	}
	return Caller{}
}

// Actor returns the caller of a call as events record it, with the ID that the caller gave to its request.
func Actor(ctx context.Context) event.Actor {
	c := CallerOf(ctx)
	return event.Actor{Identity: c.Identity, Proof: c.Proof, Role: RoleName(c.Role), Address: c.Address,
		RequestID: RequestID(ctx), Via: c.Via}
}

const (
	// RequestIDKey is the metadata key of the ID that a caller gives to a request.
	RequestIDKey = "x-request-id"
	// MaxRequestID is the most bytes of such an ID.
	MaxRequestID = 128
)

// RequestID returns the ID that the caller gave to its request, unchecked: the first, if there are more; empty without
// one.
func RequestID(ctx context.Context) string {
	if ids := metadata.ValueFromIncomingContext(ctx, RequestIDKey); len(ids) > 0 {
		return ids[0]
	}
	return ""
}
