// Package auth tells who calls the control plane, by what proof, and with what role.
package auth

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// AuthConfig says who may call. Nobody may modify it afterwards.
type Config struct {
	// Required makes callers on loopback prove who they are, too. Default: those that give neither a token nor a certificate, over
	// TCP without TLS, may do everything.
	// Hazard: without it, so may every user and every program on the machine.
	Required bool
	// Roles are the roles of identities: of a certificate's, for example `spiffe://example.org/ops/ann` or `ops.example.org`, of all
	// SPIFFE IDs below one, `spiffe://example.org/ops/*`, and of users on a unix socket, `uid:1000`. The exact one goes before the
	// longest pattern. Default: certificates have no role; on a unix socket the gateway's own user and root are admins, and others
	// have no role.
	Roles map[string]pb.Role
	// Tokens are the tokens that callers may give. Default: none.
	Tokens *TokenFile
}

const (
	uidScheme    = "uid:"
	spiffeScheme = "spiffe://"
	below        = "/*" // at the end of a pattern
)

// Validate checks the mapping of roles. The error names the first wrong identity in their order.
func (c Config) Validate() error {
	for _, id := range slices.Sorted(maps.Keys(c.Roles)) {
		uid, isUID := strings.CutPrefix(id, uidScheme)
		prefix, isPattern := strings.CutSuffix(id, below)
		switch role := c.Roles[id]; {
		case role < pb.Role_ROLE_VIEWER || role > pb.Role_ROLE_ADMIN:
			return fmt.Errorf("%q has the role %d; expected viewer, operator or admin", id, role)
		case id == "":
			return fmt.Errorf("an empty identity has a role; expected for example spiffe://example.org/ops, ops.example.org or uid:1000")
		case isUID && !validUID(uid):
			return fmt.Errorf("%q is no user; expected %s and a number, for example uid:1000", id, uidScheme)
		case strings.Contains(strings.TrimSuffix(id, below), "*"), isPattern && (!strings.HasPrefix(prefix, spiffeScheme) || prefix == spiffeScheme):
			return fmt.Errorf("%q is no pattern; expected a SPIFFE ID with /* at its end, for example spiffe://example.org/ops/*", id)
		}
	}
	return nil
}

func validUID(s string) bool {
	n, err := strconv.ParseUint(s, 10, 32)
	return err == nil && s == strconv.FormatUint(n, 10)
}

// certificateRole returns the role of a certificate's identity. One that looks like a user of a unix socket has none.
func (c *Config) certificateRole(id string) pb.Role {
	if strings.HasPrefix(id, uidScheme) || strings.HasSuffix(id, below) {
		return roleless
	}
	if role, ok := c.Roles[id]; ok || !strings.HasPrefix(id, spiffeScheme) {
		return role
	}
	for at := strings.LastIndexByte(id, '/'); at > len(spiffeScheme); at = strings.LastIndexByte(id[:at], '/') {
		if role, ok := c.Roles[id[:at]+below]; ok {
			return role
		}
	}
	return roleless
}

// UserRole returns the role of a user on a unix socket.
func (c *Config) UserRole(uid int) pb.Role {
	if role, ok := c.Roles[uidScheme+strconv.Itoa(uid)]; ok {
		return role
	}
	if uid == 0 || uid == os.Getuid() {
		return pb.Role_ROLE_ADMIN
	}
	return roleless
}
