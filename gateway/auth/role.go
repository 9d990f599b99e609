package auth

import (
	"fmt"
	"strings"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// Role is what a caller may do. Each role may do what the smaller ones may.
type Role int32

// The roles, with the contract's numbers.
const (
	RoleNone     = Role(pb.Role_ROLE_UNSPECIFIED) // may do nothing
	RoleViewer   = Role(pb.Role_ROLE_VIEWER)      // looks
	RoleOperator = Role(pb.Role_ROLE_OPERATOR)    // also acts on connections
	RoleAdmin    = Role(pb.Role_ROLE_ADMIN)       // also acts on the gateway
)

// String returns the role's name, as the contract has it without its prefix.
func (r Role) String() string {
	if r == RoleNone {
		return "none"
	}
	return strings.TrimPrefix(pb.Role(r).String(), "ROLE_")
}

// word is the role as configurations and sentences have it.
func (r Role) word() string { return strings.ToLower(r.String()) }

// ParseRole returns the role that a configuration names: `viewer`, `operator` or `admin`.
func ParseRole(s string) (Role, error) {
	for _, r := range []Role{RoleViewer, RoleOperator, RoleAdmin} {
		if s == r.word() {
			return r, nil
		}
	}
	return RoleNone, fmt.Errorf("%.50q is no role; expected viewer, operator or admin", s)
}
