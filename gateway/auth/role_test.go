package auth_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/sockgate/sockgate/gateway/auth"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// The roles, with two numbers that are none.
const (
	negative = pb.Role(-1)
	none     = pb.Role_ROLE_UNSPECIFIED
	viewer   = pb.Role_ROLE_VIEWER
	operator = pb.Role_ROLE_OPERATOR
	admin    = pb.Role_ROLE_ADMIN
	handler  = pb.Role_ROLE_HANDLER
	later    = pb.Role(5)
)

var allRoles = []pb.Role{negative, none, viewer, operator, admin, handler, later}

// included are the roles that each role includes. It repeats the contract on purpose: a new role has to be added here.
var included = map[pb.Role][]pb.Role{
	viewer:   {viewer},
	operator: {viewer, operator},
	admin:    {viewer, operator, admin, handler},
	handler:  {handler},
}

// TestIncludes checks each pair of a role that a caller has and one that it needs.
func TestIncludes(t *testing.T) {
	if n := len(pb.Role_name); n != len(allRoles)-2 {
		t.Errorf("the contract has %d roles: which does the new one include?", n)
	}
	for _, role := range allRoles {
		for _, needs := range allRoles {
			if got, want := auth.Includes(role, needs), slices.Contains(included[role], needs); got != want {
				t.Errorf("%s includes %s: %t", role, needs, got)
			}
		}
	}
}

// TestCommon checks, for each pair of roles, that their common role may do exactly what both may.
func TestCommon(t *testing.T) {
	for _, a := range allRoles {
		for _, b := range allRoles {
			common := auth.Common(a, b)
			for _, needs := range allRoles {
				both := auth.Includes(a, needs) && auth.Includes(b, needs)
				if got := auth.Includes(common, needs); got != both {
					t.Errorf("%s and %s have %s in common, which includes %s: %t", a, b, common, needs, got)
				}
			}
		}
	}
}

// TestParseRight checks which words are rights. An error quotes the word, or its beginning, and the expected form.
func TestParseRight(t *testing.T) {
	long := strings.Repeat("a", 32)
	for word, want := range map[string]auth.Right{"viewer": {Role: viewer}, "operator": {Role: operator},
		"admin": {Role: admin}, "handler:chat": {Role: handler, Handler: "chat"}, "handler:-": {Role: handler, Handler: "-"},
		"handler:admin": {Role: handler, Handler: "admin"}, "handler:" + long: {Role: handler, Handler: long}} {
		got, err := auth.ParseRight(word)
		if err != nil || got != want || got.String() != word {
			t.Errorf("%q is %+v, %v; expected %+v", word, got, err, want)
		}
		if role, err := auth.ParseRole(word); (err == nil) != (want.Handler == "") || err == nil && role != want.Role ||
			err != nil && !strings.Contains(err.Error(), "viewer, operator or admin") {
			t.Errorf("%q as a limit is %s, %v", word, role, err)
		}
	}
	for word, says := range map[string]string{"": "handler:NAME", "none": "handler:NAME", "Admin": "handler:NAME",
		"handler": "handler:NAME", "HANDLER:chat": "handler:NAME", "unspecified": "handler:NAME",
		"handler:": "1 to 32 of a-z, 0-9 and -", "handler:Chat": `"Chat"`, "handler:a,b": `"a,b"`, "handler: a": `" a"`,
		"handler:*": `"*"`, "handler:a:b": `"a:b"`, "handler:" + long + "a": "1 to 32",
		"handler:" + strings.Repeat("é", 1000): "1 to 32"} {
		right, err := auth.ParseRight(word)
		if err == nil || right != (auth.Right{}) || !strings.Contains(err.Error(), says) || len(err.Error()) > 500 {
			t.Errorf("%.50q: %+v, %.300v; expected %q", word, right, err, says)
		}
		if role, err := auth.ParseRole(word); err == nil || role != none {
			t.Errorf("%.50q as a limit: %s, %v", word, role, err)
		}
	}
}

// TestRightNames checks the texts of roles in events and sentences.
func TestRightNames(t *testing.T) {
	for right, want := range map[auth.Right]string{{}: "none none", {Role: viewer}: "VIEWER viewer",
		{Role: admin}: "ADMIN admin", {Role: handler, Handler: "chat"}: "HANDLER:chat handler:chat",
		{Role: handler}: "HANDLER handler:NAME"} {
		if got := right.Name() + " " + right.String(); got != want {
			t.Errorf("%+v: %q; expected %q", right, got, want)
		}
	}
	for name, want := range map[string]pb.Role{"VIEWER": viewer, "ADMIN": admin, "none": none, "": none,
		"HANDLER:chat": none, "HANDLER:ADMIN": none} {
		if got := auth.RoleNamed(name); got != want {
			t.Errorf("%q names %s; expected %s", name, got, want)
		}
	}
}
