package auth

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sockgate/sockgate/gateway/auth/tokenfile"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// Right is the role of one identity. The zero value may do nothing.
type Right struct {
	Role    pb.Role
	Handler string // the name of the remote handler that ROLE_HANDLER may attach as; else empty
}

// ParseRight returns the right of a configuration's word: `viewer`, `operator`, `admin`, or `handler:` and a name. The
// error repeats at most 50 bytes of any other word.
func ParseRight(word string) (Right, error) {
	name, isHandler := strings.CutPrefix(word, tokenfile.HandlerScheme)
	switch {
	case isHandler && tokenfile.IsHandler(name):
		return Right{Role: pb.Role_ROLE_HANDLER, Handler: name}, nil
	case isHandler:
		return Right{}, fmt.Errorf("%.50q is no name of a handler; expected 1 to 32 of a-z, 0-9 and -, for example "+
			"handler:chat", name)
	case slices.Contains(tokenfile.Roles(), word):
		return Right{Role: RoleNamed(strings.ToUpper(word))}, nil
	}
	return Right{}, fmt.Errorf("%.50q is no role; expected %s", word, tokenfile.AnyRole)
}

// Name returns the right in the form of event.Actor, logs and errors' metadata: a role's name, as RoleName returns it,
// or `HANDLER:` and the handler's name.
func (r Right) Name() string { return r.with(RoleName(r.Role)) }

// String returns the right's word in configurations and sentences. ParseRight is its inverse. Of a handler without a
// name it returns `handler:NAME`, the form that is expected.
func (r Right) String() string {
	if r == (Right{Role: pb.Role_ROLE_HANDLER}) {
		return tokenfile.HandlerScheme + "NAME"
	}
	return r.with(RoleWord(r.Role))
}

// with returns a role's text with the handler's name.
func (r Right) with(role string) string {
	if r.Handler == "" {
		return role
	}
	return role + ":" + r.Handler
}
