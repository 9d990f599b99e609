package control

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
	Role     Role
	Address  string // of the call; empty on a unix socket
	Via      string // the node that forwarded the call; empty when it came here
}

// grantKey is under what a call's context has its *grant.
type grantKey struct{}

// withGrant returns a context with what a call may rest on.
func withGrant(ctx context.Context, g *grant) context.Context {
	return context.WithValue(ctx, grantKey{}, g)
}

// grantOf returns what a call may rest on; nil for one that nobody has authenticated, which may do nothing.
func grantOf(ctx context.Context) *grant {
	g, _ := ctx.Value(grantKey{}).(*grant)
	return g
}

// callerOf returns who makes a call; nobody, when it was not authenticated.
func callerOf(ctx context.Context) Caller {
	if g := grantOf(ctx); g != nil {
		return g.Caller
	}
	return Caller{}
}

// actor is who makes a call, for the record.
func actor(ctx context.Context) event.Actor {
	c := callerOf(ctx)
	return event.Actor{Identity: c.Identity, Proof: c.Proof, Role: c.Role.String(), Address: c.Address, RequestID: requestID(ctx), Via: c.Via}
}

// roleNamed returns the role that event.Actor has by name; an unknown one is none.
func roleNamed(name string) Role { return Role(pb.Role_value["ROLE_"+name]) }

const (
	// requestIDKey is the metadata key of the ID that a caller gives to a request.
	requestIDKey = "x-request-id"
	maxRequestID = 128
)

// requestID returns the ID that the caller gave to its request; empty when it gave none.
func requestID(ctx context.Context) string {
	if ids := metadata.ValueFromIncomingContext(ctx, requestIDKey); len(ids) > 0 {
		return ids[0]
	}
	return ""
}
