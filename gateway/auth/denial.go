package auth

import (
	"fmt"

	"google.golang.org/grpc/codes"

	"github.com/sockgate/sockgate/gateway/internal/contract"
)

// Denial is an error that says why a call is denied and what its caller can do. It contains no secret. It never
// changes.
type Denial struct {
	Reason   string            // of the ErrorInfo: one of contract's reasons
	Metadata map[string]string // of the ErrorInfo; may be nil

	text string
}

// Error says why the call is denied and what its caller can do.
func (e *Denial) Error() string { return e.text }

// Code returns PERMISSION_DENIED for a caller whose identity is proven, else UNAUTHENTICATED.
func (e *Denial) Code() codes.Code {
	switch e.Reason {
	case contract.ReasonRoleRequired, contract.ReasonNoRole, contract.ReasonRoleUndeclared:
		return codes.PermissionDenied
	}
	return codes.Unauthenticated
}

var errNoCredentials = &Denial{Reason: contract.ReasonCredentialsRequired,
	text: "this gateway answers only those who prove who they are; give a token (`authorization: Bearer sgt_…`) or " +
		"a client certificate"}

var errTokenRevoked = &Denial{Reason: contract.ReasonTokenRevoked,
	text: "the token was removed from the gateway's token file or changed there; connect again, with a new one if " +
		"it was removed"}

// noRole denies a caller whose identity is proven and has no role.
func noRole(c *Caller) error {
	return &Denial{Reason: contract.ReasonNoRole,
		Metadata: map[string]string{"identity": contract.Short(c.Identity), "proof": c.Proof},
		text: fmt.Sprintf("%.200q (%s) is known here and has no role; have one given to it in the gateway's configuration",
			c.Identity, c.Proof)}
}

// roleRequired denies a method, or a field of its request, to a caller whose role does not include the one that it
// needs. what names the denied thing in the text.
func roleRequired(c *Caller, method, what string, needs Right) error {
	metadata := map[string]string{"method": method, "has": c.right().Name(), "needs": needs.Name()}
	short := fmt.Sprintf("%s needs the role %s, and %.200q has %s", what, needs, c.Identity, c.right())
	if c.Via == "" {
		return &Denial{Reason: contract.ReasonRoleRequired, Metadata: metadata,
			text: short + "; ask somebody who has it, or have it given to you"}
	}
	metadata["via"] = c.Via
	return &Denial{Reason: contract.ReasonRoleRequired, Metadata: metadata, text: fmt.Sprintf(
		"%s for calls by way of node %s; ask this node itself, or have its --fleet-peer-role changed", short, c.Via)}
}

// roleUndeclared denies a method whose contract declares no role.
func roleUndeclared(method string) error {
	return &Denial{Reason: contract.ReasonRoleUndeclared, Metadata: map[string]string{"method": contract.Short(method)},
		text: fmt.Sprintf("%.100s has no role declared, so nobody may call it", method)}
}
