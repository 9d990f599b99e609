package auth

import (
	"fmt"
	"strings"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// A role gives a caller its rights. A viewer looks, an operator also acts on connections, an admin also on the gateway;
// ROLE_UNSPECIFIED may do nothing. ROLE_HANDLER stands beside the first two: it may attach as one remote handler.
//
// Hazard: the numbers of roles are no order, because ROLE_HANDLER has the largest and must not count as more than an
// admin. Compare roles with Includes, and limit one by another with Common.

// roleless is the role of a caller without any right, and of a method that no caller may call.
const roleless = pb.Role_ROLE_UNSPECIFIED

// ranked reports whether a role is one of those that the order of their numbers holds for.
func ranked(r pb.Role) bool { return r >= pb.Role_ROLE_VIEWER && r <= pb.Role_ROLE_ADMIN }

// Includes reports whether a role may do everything that another one, which is needed, may do. No role includes
// ROLE_UNSPECIFIED, or a role that this version does not know.
func Includes(has, needs pb.Role) bool {
	if needs == pb.Role_ROLE_HANDLER {
		return has == pb.Role_ROLE_HANDLER || has == pb.Role_ROLE_ADMIN
	}
	return ranked(has) && ranked(needs) && has >= needs
}

// Common returns the largest role that two roles include, or ROLE_UNSPECIFIED if there is none.
func Common(a, b pb.Role) pb.Role {
	switch {
	case Includes(a, b):
		return b
	case Includes(b, a):
		return a
	}
	return roleless
}

// RoleName returns a role's name in events, logs and errors: `VIEWER`, `OPERATOR`, `ADMIN` or `HANDLER`; `none` for
// ROLE_UNSPECIFIED. RoleNamed is its inverse.
func RoleName(r pb.Role) string {
	if r == roleless {
		return "none"
	}
	return strings.TrimPrefix(r.String(), "ROLE_")
}

// RoleNamed returns the role with a name in the form of event.Actor, or ROLE_UNSPECIFIED if no role has it. So the
// `HANDLER:NAME` of a handler's program is ROLE_UNSPECIFIED: a node forwards no call of such a program.
func RoleNamed(name string) pb.Role { return pb.Role(pb.Role_value["ROLE_"+name]) }

// ParseRole returns the role of a configuration's word where the role limits others: `viewer`, `operator` or `admin`.
// The error repeats at most 50 bytes of any other word.
func ParseRole(word string) (pb.Role, error) {
	right, err := ParseRight(word)
	switch {
	case err == nil && ranked(right.Role):
		return right.Role, nil
	case err == nil:
		return roleless, fmt.Errorf("%.50q is a role of callers that is no limit for others; expected viewer, operator or "+
			"admin", word)
	}
	return roleless, fmt.Errorf("%.50q is no role; expected viewer, operator or admin", word)
}

// RoleWord returns a role's word in configurations and sentences: `viewer`, `operator`, `admin` or `handler`; `none`
// for ROLE_UNSPECIFIED.
func RoleWord(r pb.Role) string { return strings.ToLower(RoleName(r)) }
