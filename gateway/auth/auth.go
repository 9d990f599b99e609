// Package auth identifies the callers of the control plane, with the proof and the role of each, and denies the calls
// that the role does not allow.
//
// A call passes these types of the package:
//
//	Listener     bounds the connections of clients
//	NewGreeter   finds out what a connection proves: a certificate, a user of the machine, or nothing
//	Guard        Authenticate, in gRPC's tap, identifies the caller: by its token, or else by its connection
//	             Stream, the interceptor, looks the method up in the AccessTable and counts the call
//	Call         is the memory that a call holds until its answer was read
//	Denials      counts and logs what was denied
//	Usage        is what one identity has under way
//
// An identity is a token's name, a certificate's name, a user of the machine or, on loopback, an address. TokenFile
// follows the file of tokens.
package auth

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/sockgate/sockgate/gateway/auth/tokenfile"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// Config says which callers may call. It must not be modified once a Guard or a greeter has it. With the zero value,
// callers on loopback may do everything, and on a unix socket the gateway's own user and root may.
type Config struct {
	// Required makes callers on loopback prove an identity, too. Default: a caller on loopback that gives neither a token
	// nor a certificate, over TCP without TLS, may do everything. Hazard: without Required, every user and every program
	// on the machine may do everything.
	Required bool
	// Roles are the roles of identities: of a certificate, for example `spiffe://example.org/ops/ann` or
	// `ops.example.org`; of all SPIFFE IDs below one, `spiffe://example.org/ops/*`; and of users on a unix socket,
	// `uid:1000`. An exact identity goes before the longest pattern. Default: certificates have no role; on a unix socket
	// the gateway's own user and root are admins, and other users have no role.
	Roles map[string]pb.Role
	// Handlers are the identities with ROLE_HANDLER, in the forms that Roles has: each may attach as the remote handler
	// with the name, and do nothing else. An identity has one role, here or in Roles. Default: none.
	Handlers map[string]string
	// Tokens are the tokens that callers may give. The caller closes the file after the last call. Default: none.
	Tokens *TokenFile
}

const (
	uidScheme    = "uid:"
	spiffeScheme = "spiffe://"
	below        = "/*" // the end of a pattern
)

// Validate checks Roles and Handlers. The error names the first wrong identity in alphabetical order, and the expected
// form.
func (c Config) Validate() error {
	ids := slices.AppendSeq(slices.Collect(maps.Keys(c.Roles)), maps.Keys(c.Handlers))
	for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		if err := cmp.Or(c.validateRight(id), validateIdentity(id)); err != nil {
			return err
		}
	}
	return nil
}

// validateRight checks that an identity has one role, and that the role is known.
func (c Config) validateRight(id string) error {
	role, hasRole := c.Roles[id]
	handler, hasHandler := c.Handlers[id]
	switch {
	case hasRole && hasHandler:
		return fmt.Errorf("%q has the role %s and the handler %.50q; expected one of them", id, RoleWord(role), handler)
	case hasRole && role == pb.Role_ROLE_HANDLER:
		return fmt.Errorf("%q has the role handler without a name; expected viewer, operator or admin, or a handler in "+
			"Handlers", id)
	case hasRole && !ranked(role):
		return fmt.Errorf("%q has the role %d; expected viewer, operator or admin", id, role)
	case hasHandler && !tokenfile.IsHandler(handler):
		return fmt.Errorf("%q has the handler %.50q; expected 1 to 32 of a-z, 0-9 and -", id, handler)
	}
	return nil
}

// validateIdentity checks the form of an identity that has a role.
func validateIdentity(id string) error {
	uid, isUID := strings.CutPrefix(id, uidScheme)
	prefix, isPattern := strings.CutSuffix(id, below)
	switch {
	case id == "":
		return errors.New("an empty identity has a role; expected for example spiffe://example.org/ops, " +
			"ops.example.org or uid:1000")
	case isUID && !validUID(uid):
		return fmt.Errorf("%q is no user; expected %s and a number, for example uid:1000", id, uidScheme)
	case strings.Contains(strings.TrimSuffix(id, below), "*"),
		isPattern && (!strings.HasPrefix(prefix, spiffeScheme) || prefix == spiffeScheme):
		return fmt.Errorf("%q is no pattern; expected a SPIFFE ID with /* at its end, for example "+
			"spiffe://example.org/ops/*", id)
	}
	return nil
}

func validUID(s string) bool {
	n, err := strconv.ParseUint(s, 10, 32)
	return err == nil && s == strconv.FormatUint(n, 10)
}

// right returns the right of an identity or a pattern that has one.
func (c *Config) right(id string) (_ Right, ok bool) {
	if name, ok := c.Handlers[id]; ok {
		return Right{Role: pb.Role_ROLE_HANDLER, Handler: name}, true
	}
	role, ok := c.Roles[id]
	return Right{Role: role}, ok
}

// certificateRight returns the right of a certificate's identity. An identity that looks like a user of a unix socket,
// or like a pattern, has none, because a certificate must not claim the role of another kind of identity.
func (c *Config) certificateRight(id string) Right {
	if strings.HasPrefix(id, uidScheme) || strings.HasSuffix(id, below) {
		return Right{}
	}
	if right, ok := c.right(id); ok || !strings.HasPrefix(id, spiffeScheme) {
		return right
	}
	for at := strings.LastIndexByte(id, '/'); at > len(spiffeScheme); at = strings.LastIndexByte(id[:at], '/') {
		if right, ok := c.right(id[:at] + below); ok {
			return right
		}
	}
	return Right{}
}

// UserRole returns the role of a user on a unix socket, by the user's number. It may be called from any goroutine.
func (c *Config) UserRole(uid int) pb.Role { return c.userRight(uid).Role }

// userRight returns the right of a user on a unix socket.
func (c *Config) userRight(uid int) Right {
	if right, ok := c.right(uidScheme + strconv.Itoa(uid)); ok {
		return right
	}
	if uid == 0 || uid == os.Getuid() {
		return Right{Role: pb.Role_ROLE_ADMIN}
	}
	return Right{}
}
