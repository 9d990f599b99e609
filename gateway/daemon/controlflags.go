package daemon

import (
	"errors"
	"fmt"
	"net"
	"os/user"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/sockgate/sockgate/gateway/auth"
)

// unixScheme begins the address of a unix socket.
const unixScheme = "unix://"

// Schemes of the identity of a user who calls over a unix socket. A user's name is resolved once, at the start.
const (
	uidScheme  = "uid:"
	userScheme = "user:"
)

// controlFlags are the control plane's address and its callers.
type controlFlags struct {
	address          string
	cert, key        string
	clientCA         []string
	tokenFile        string
	auth             string // auto or required
	roles            []string
	maxConnectionAge time.Duration
	memory           byteSize
}

// Bounds of --control-memory. With the least, each of a few callers can still send and receive the largest messages.
const (
	minControlMemory     = 16 << 20
	defaultControlMemory = 64 << 20
)

func (c *controlFlags) flags(f *pflag.FlagSet) {
	c.memory = defaultControlMemory
	f.Var(&c.memory, "control-memory", "most bytes that callers' unfinished requests and unread answers hold together")
	f.StringVar(&c.address, "control", defaultControl,
		"address of the control plane: unix:///path or host:port; beyond loopback it needs TLS and identities")
	f.StringVar(&c.auth, "control-auth", "auto", "when callers must prove their identity: auto (except on loopback) or "+
		"required (always)")
	f.StringVar(&c.cert, "control-tls-cert", "", "PEM file of the control plane's certificate")
	f.StringVar(&c.key, "control-tls-key", "", "PEM file of the private key of --control-tls-cert")
	f.StringArrayVar(&c.clientCA, "control-tls-client-ca", nil,
		"PEM file of CAs that callers' certificates must chain to; may be given again")
	f.StringVar(&c.tokenFile, "control-token-file", "", "file of the hashed tokens that callers may give, with names "+
		"and roles")
	f.StringArrayVar(&c.roles, "control-role", nil, "IDENTITY=viewer, operator, admin or handler:NAME, where "+
		"IDENTITY is a certificate's, uid:NUMBER or user:NAME; may be given again")
	f.DurationVar(&c.maxConnectionAge, "control-max-connection-age", time.Hour,
		"age at which a caller's connection takes no more calls, so that the caller opens a new one")
}

// local reports whether only this machine reaches the address, and whether it is a unix socket. The error states the
// expected form.
func (c *controlFlags) local() (local, unix bool, err error) {
	if path, ok := strings.CutPrefix(c.address, unixScheme); ok {
		if !strings.HasPrefix(path, "/") {
			return false, false, fmt.Errorf("--control %.100q: expected an absolute path, unix:///path", c.address)
		}
		return true, true, nil
	}
	host, port, err := net.SplitHostPort(c.address)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return false, false, fmt.Errorf("--control %.100q: expected host:port or unix:///path: %w", c.address, err)
	}
	return onLoopback(host), false, nil
}

// validate refuses a control plane that other machines could reach without proving an identity, and flags without an
// effect.
func (c *controlFlags) validate() error {
	if err := oneOf("control-auth", c.auth, "auto", "required"); err != nil {
		return err
	}
	if c.maxConnectionAge <= 0 {
		return fmt.Errorf("--control-max-connection-age %s: expected more than 0", c.maxConnectionAge)
	}
	if c.memory < minControlMemory {
		return fmt.Errorf("--control-memory %s: expected at least 16MiB", c.memory.String())
	}
	local, unix, err := c.local()
	if err != nil {
		return err
	}
	users, certificates, err := c.rolesByKind()
	if err != nil {
		return err
	}
	if !local {
		if missing := c.missing(certificates); missing != "" {
			return fmt.Errorf("--control %s is not a loopback address: anyone who reaches it could cut every connection, so "+
				"it needs %s; or use 127.0.0.1, [::1] or unix:///path, and reach it through an SSH tunnel", c.address, missing)
		}
	}
	if err := c.useless(unix, users, certificates); err != nil {
		return err
	}
	return c.nobody(unix, certificates)
}

// nobody refuses a control plane that would refuse every caller, because it requires an identity that no caller can
// prove. TLS requires an identity on loopback too.
func (c *controlFlags) nobody(unix bool, certificates int) error {
	switch {
	case unix || c.tokenFile != "" || certificates > 0:
	case c.auth == "required":
		return errors.New("--control-auth required refuses everybody as long as no caller can prove an identity: give " +
			"--control-token-file, or --control-tls-cert, --control-tls-key, --control-tls-client-ca and --control-role, or " +
			"use --control unix:///path")
	case c.cert != "":
		return errors.New("--control-tls-cert refuses everybody as long as no caller can prove an identity, which TLS " +
			"needs on loopback too: give --control-token-file, or --control-tls-client-ca and --control-role, or leave TLS out")
	}
	return nil
}

// missing returns the flags that a control plane within reach of other machines still needs, or "" if it needs none.
func (c *controlFlags) missing(certificates int) string {
	var needs []string
	if c.cert == "" || c.key == "" {
		needs = append(needs, "--control-tls-cert and --control-tls-key")
	}
	switch {
	case c.tokenFile != "":
	case len(c.clientCA) == 0 && certificates == 0:
		needs = append(needs, "--control-token-file (or --control-tls-client-ca with --control-role)")
	case len(c.clientCA) == 0:
		needs = append(needs, "--control-tls-client-ca (or --control-token-file)")
	case certificates == 0:
		needs = append(needs, "--control-role for the certificates under --control-tls-client-ca (or --control-token-file)")
	}
	return strings.Join(needs, ", and ")
}

// useless refuses flags that would have no effect, because the operator may rely on them.
func (c *controlFlags) useless(unix bool, users, certificates int) error {
	switch {
	case (c.cert == "") != (c.key == ""):
		return errors.New("--control-tls-cert and --control-tls-key belong together: give both, or neither; one file may " +
			"be both")
	case unix && c.cert+strings.Join(c.clientCA, "") != "":
		return errors.New("--control-tls-cert and --control-tls-client-ca are for a host:port: a unix socket tells the " +
			"user of each caller")
	case len(c.clientCA) > 0 && c.cert == "":
		return errors.New("--control-tls-client-ca does nothing without --control-tls-cert and --control-tls-key: give " +
			"them too")
	case len(c.clientCA) > 0 && certificates == 0:
		return errors.New("--control-tls-client-ca does nothing as long as no certificate has a role: give --control-role, " +
			"for example --control-role spiffe://example.org/ops/*=operator")
	case certificates > 0 && len(c.clientCA) == 0:
		return errors.New("--control-role for a certificate does nothing without --control-tls-client-ca, " +
			"--control-tls-cert and --control-tls-key: give them too; users on a unix socket are uid:NUMBER or user:NAME")
	case users > 0 && runtime.GOOS != "linux":
		return fmt.Errorf("--control-role for uid: or user: works on Linux only: on %s a unix socket does not tell the "+
			"user of a caller, and only its owner may call", runtime.GOOS)
	case users > 0 && !unix:
		return fmt.Errorf("--control-role for uid: or user: does nothing with --control %s: the user of a caller is known "+
			"on a unix socket only", c.address)
	}
	return nil
}

// rolesByKind counts the identities that have a role: users of a unix socket, and certificates.
func (c *controlFlags) rolesByKind() (users, certificates int, err error) {
	roles, err := c.rolesByIdentity()
	for identity := range roles {
		if strings.HasPrefix(identity, uidScheme) {
			users++
		} else {
			certificates++
		}
	}
	return users, certificates, err
}

// rolesByIdentity parses --control-role. Names of users become numbers.
func (c *controlFlags) rolesByIdentity() (map[string]auth.Right, error) {
	roles := make(map[string]auth.Right)
	for _, text := range c.roles {
		at := strings.LastIndexByte(text, '=')
		if at < 1 {
			return nil, fmt.Errorf("--control-role %.200q: expected IDENTITY=ROLE, for example "+
				"spiffe://example.org/ops/*=operator, uid:1000=viewer or chat.example.org=handler:chat", text)
		}
		role, err := auth.ParseRight(text[at+1:])
		if err != nil {
			return nil, fmt.Errorf("--control-role %.200q: %w", text, err)
		}
		identity, err := resolveUser(text[:at])
		if err != nil {
			return nil, fmt.Errorf("--control-role %.200q: %w", text, err)
		}
		if other, ok := roles[identity]; ok {
			return nil, fmt.Errorf("--control-role %.200q: %s has the role %s already; expected each identity once", text,
				identity, other.Name())
		}
		roles[identity] = role
	}
	return roles, nil
}

// resolveUser returns uid:NUMBER for user:NAME, and any other identity unchanged.
func resolveUser(identity string) (string, error) {
	if number, ok := strings.CutPrefix(identity, uidScheme); ok {
		if n, err := strconv.ParseUint(number, 10, 32); err != nil || strconv.FormatUint(n, 10) != number {
			return "", fmt.Errorf("%.100q is no user's number; expected for example uid:1000", number)
		}
		return identity, nil
	}
	name, ok := strings.CutPrefix(identity, userScheme)
	if !ok {
		return identity, nil
	}
	found, err := user.Lookup(name)
	if err != nil {
		return "", fmt.Errorf("user %.100q is not known on this machine: %w", name, err)
	}
	return uidScheme + found.Uid, nil
}
