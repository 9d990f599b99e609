package auth

import (
	"fmt"
	"strings"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// A role gives a caller its rights. Roles are ordered by their numbers: each role may do everything that the smaller
// ones may, and ROLE_UNSPECIFIED may do nothing. A viewer looks, an operator also acts on connections, an admin also on
// the gateway.

// roleless is the role of a caller without any right, and of a method that no caller may call.
const roleless = pb.Role_ROLE_UNSPECIFIED

// RoleName returns a role's name in events, logs and errors: `VIEWER`, `OPERATOR` or `ADMIN`; `none` for
// ROLE_UNSPECIFIED. RoleNamed is its inverse.
func RoleName(r pb.Role) string {
	if r == roleless {
		return "none"
	}
	return strings.TrimPrefix(r.String(), "ROLE_")
}

// RoleNamed returns the role with a name in the form of event.Actor, or ROLE_UNSPECIFIED if no role has it.
func RoleNamed(name string) pb.Role { return pb.Role(pb.Role_value["ROLE_"+name]) }

// RoleWord returns a role's word in configurations and sentences: `viewer`, `operator` or `admin`; `none` for
// ROLE_UNSPECIFIED. ParseRole is its inverse.
func RoleWord(r pb.Role) string { return strings.ToLower(RoleName(r)) }

// ParseRole returns the role of a configuration's word: `viewer`, `operator` or `admin`. The error repeats at most 50
// bytes of any other word.
func ParseRole(word string) (pb.Role, error) {
	for _, r := range []pb.Role{pb.Role_ROLE_VIEWER, pb.Role_ROLE_OPERATOR, pb.Role_ROLE_ADMIN} {
		if word == RoleWord(r) {
			return r, nil
		}
	}
	return roleless, fmt.Errorf("%.50q is no role; expected viewer, operator or admin", word)
}
