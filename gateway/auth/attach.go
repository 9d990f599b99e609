package auth

import (
	"context"
	"fmt"

	"github.com/sockgate/sockgate/gateway/auth/tokenfile"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// Handler returns the remote handlers that the caller of a call may attach as: all of them, or the one with a name, or
// none if the name is empty.
func Handler(ctx context.Context) (name string, all bool) {
	switch c := CallerOf(ctx); c.Role {
	case pb.Role_ROLE_ADMIN:
		return "", true
	case pb.Role_ROLE_HANDLER:
		return c.Handler, false
	}
	return "", false
}

// MayAttach returns nil if the caller of a call may attach as the remote handler with a name. Otherwise the error is a
// *Denial, ROLE_REQUIRED, which is counted and logged as every denied call is. The name may be any text.
func MayAttach(ctx context.Context, name string) error {
	own, all := Handler(ctx)
	if all || own != "" && own == name {
		return nil
	}
	g := GrantOf(ctx)
	if g == nil {
		return refusalOf(ctx)
	}
	needs := Right{Role: pb.Role_ROLE_HANDLER}
	if tokenfile.IsHandler(name) {
		needs.Handler = name
	}
	const method = pb.HandlerService_Attach_FullMethodName
	return g.deny(method, roleRequired(&g.Caller, method, fmt.Sprintf("attaching as %.50q", name), needs))
}

// deny counts a denial of a call that Guard.Authorize has let through, and returns it.
func (g *Grant) deny(method string, err error) error {
	if g.guard == nil {
		return err
	}
	return g.guard.deny(&g.Caller, method, err)
}
