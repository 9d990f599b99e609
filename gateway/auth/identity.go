package auth

import (
	"context"

	"google.golang.org/grpc/metadata"

	"github.com/sockgate/sockgate/gateway/event"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// The proofs: how a caller has proven its identity.
const (
	proofToken       = "token"
	proofCertificate = "certificate"
	proofUnix        = "unix"
	proofNone        = "none"
)

// Caller is who makes a call.
type Caller struct {
	Identity string // a token's name, a certificate's identity, `uid:` and a number, or a network address
	Proof    string // `token`, `certificate`, `unix` or `none`
	Role     pb.Role
	Address  string // of the call; empty on a unix socket
	Via      string // the node that forwarded the call; empty when it came here
}

// grantKey is under what a call's context has its *grant.
type grantKey struct{}

// WithGrant returns a context with what a call may rest on.
func WithGrant(ctx context.Context, g *grant) context.Context {
	return context.WithValue(ctx, grantKey{}, g)
}

// GrantOf returns what a call may rest on; nil for one that nobody has authenticated, which may do nothing.
func GrantOf(ctx context.Context) *grant {
	g, _ := ctx.Value(grantKey{}).(*grant)
	return g
}

// CallerOf returns who makes a call; nobody, when it was not authenticated.
func CallerOf(ctx context.Context) Caller {
	if g := GrantOf(ctx); g != nil {
		return g.Caller
	}
	return Caller{}
}

// Actor is who makes a call, for the record.
func Actor(ctx context.Context) event.Actor {
	c := CallerOf(ctx)
	return event.Actor{Identity: c.Identity, Proof: c.Proof, Role: RoleName(c.Role), Address: c.Address, RequestID: RequestID(ctx), Via: c.Via}
}

const (
	// RequestIDKey is the metadata key of the ID that a caller gives to a request.
	RequestIDKey = "x-request-id"
	MaxRequestID = 128
)

// RequestID returns the ID that the caller gave to its request; empty when it gave none.
func RequestID(ctx context.Context) string {
	if ids := metadata.ValueFromIncomingContext(ctx, RequestIDKey); len(ids) > 0 {
		return ids[0]
	}
	return ""
}
