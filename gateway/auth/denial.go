package auth

import (
	"fmt"

	"google.golang.org/grpc/codes"

	"github.com/sockgate/sockgate/gateway/internal/contract"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// denialError says why a call is denied: in a sentence that says what to do, and has no secret.
type Denial struct {
	Reason   string // of the ErrorInfo
	text     string
	Metadata map[string]string // of the ErrorInfo
}

// Error returns the sentence.
func (e *Denial) Error() string { return e.text }

// Code is PERMISSION_DENIED for a caller who is known, else UNAUTHENTICATED.
func (e *Denial) Code() codes.Code {
	switch e.Reason {
	case contract.ReasonRoleRequired, contract.ReasonNoRole, contract.ReasonRoleUndeclared:
		return codes.PermissionDenied
	}
	return codes.Unauthenticated
}

var errNoCredentials = &Denial{Reason: contract.ReasonCredentialsRequired,
	text: "this gateway answers only those who prove who they are; give a token (`authorization: Bearer sgt_…`) or a client certificate"}

var errTokenRevoked = &Denial{Reason: contract.ReasonTokenRevoked,
	text: "the token was removed from the gateway's token file or changed there; connect again, with a new one if it was removed"}

// noRole denies a caller who is known, and may do nothing.
func noRole(c *Caller) error {
	return &Denial{Reason: contract.ReasonNoRole, Metadata: map[string]string{"identity": contract.Short(c.Identity), "proof": c.Proof},
		text: fmt.Sprintf("%.200q (%s) is known here and has no role; have one given to it in the gateway's configuration", c.Identity, c.Proof)}
}

// roleRequired denies what is called, a method or a field of its request, to a caller whose role is too small for it.
func roleRequired(c *Caller, method, what string, needs pb.Role) error {
	if c.Via != "" {
		return &Denial{Reason: contract.ReasonRoleRequired, Metadata: map[string]string{"method": method, "has": RoleName(c.Role), "needs": RoleName(needs), "via": c.Via},
			text: fmt.Sprintf("%s needs the role %s, and %.200q has %s for calls by way of node %s; ask this node itself, or have its --fleet-peer-role changed",
				what, RoleWord(needs), c.Identity, RoleWord(c.Role), c.Via)}
	}
	return &Denial{Reason: contract.ReasonRoleRequired, Metadata: map[string]string{"method": method, "has": RoleName(c.Role), "needs": RoleName(needs)},
		text: fmt.Sprintf("%s needs the role %s, and %.200q has %s; ask somebody who has it, or have it given to you",
			what, RoleWord(needs), c.Identity, RoleWord(c.Role))}
}

// roleUndeclared denies a method that no role was declared for.
func roleUndeclared(method string) error {
	return &Denial{Reason: contract.ReasonRoleUndeclared, Metadata: map[string]string{"method": contract.Short(method)},
		text: fmt.Sprintf("%.100s has no role declared, so nobody may call it", method)}
}
