package daemon

import (
	"crypto/tls"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/auth"
	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/daemon/tlsfiles"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// controlAuth is the control plane's way to identify its callers, made from the --control-… flags.
type controlAuth struct {
	tls      *tls.Config         // nil without TLS
	asks     tlsfiles.ClientAuth // whether callers are asked for certificates
	required bool                // on loopback too
	roles    map[string]auth.Right
	tokens   *auth.TokenFile // nil without a token file
	users    bool            // the control plane is a unix socket, which tells the user of each caller
	maxAge   time.Duration
}

// openControlAuth opens the control plane's files. The error names the flag or the file.
func openControlAuth(c *controlFlags, held *certificates, log hclog.Logger) (a controlAuth, err error) {
	local, unix, err := c.local()
	if err != nil {
		return a, err
	}
	a.users, a.required, a.maxAge = unix, c.auth == "required" || !local, c.maxConnectionAge
	if a.roles, err = c.rolesByIdentity(); err != nil {
		return a, err
	}
	if c.cert != "" {
		files := c.files()
		a.asks = files.ClientAuth
		if a.tls, err = held.open(files); err != nil {
			return a, err
		}
	}
	if c.tokenFile != "" {
		if a.tokens, err = auth.OpenTokenFile(c.tokenFile, log); err != nil {
			return a, err
		}
	}
	return a, nil
}

// files returns the configuration of the control plane's TLS files. Callers are asked for a certificate but need not
// have one, because a token does as well. A caller with neither is told what it lacks, is counted and is logged; it can
// do nothing else.
func (c *controlFlags) files() tlsfiles.Config {
	files := tlsfiles.Config{Pairs: []tlsfiles.Pair{{Cert: c.cert, Key: c.key}}, ClientCA: c.clientCA,
		Protocols: []string{"h2"}}
	if len(c.clientCA) > 0 {
		files.ClientAuth = tlsfiles.ClientAuthRequest
	}
	return files
}

// String lists for the log the ways to let a caller in.
func (a *controlAuth) String() string {
	var by []string
	for _, way := range []struct {
		open bool
		name string
	}{{a.users, "users"}, {a.tls != nil && len(a.roles) > 0, "certificates"}, {a.tokens != nil, "tokens"},
		{a.anybody(), "loopback"}} {
		if way.open {
			by = append(by, way.name)
		}
	}
	return strings.Join(by, ",")
}

// anybody reports whether callers may do everything without proving their identity. They may only over plain TCP on
// loopback.
func (a *controlAuth) anybody() bool { return !a.required && !a.users && a.tls == nil }

// config completes the control plane's configuration.
func (a *controlAuth) config(c control.Config) (control.Config, error) {
	c.TLS, c.MaxConnectionAge = a.tls, a.maxAge
	c.Auth = auth.Config{Required: a.required, Tokens: a.tokens, Roles: make(map[string]pb.Role),
		Handlers: make(map[string]string)}
	for identity, right := range a.roles {
		if right.Handler != "" {
			c.Auth.Handlers[identity] = right.Handler
		} else {
			c.Auth.Roles[identity] = right.Role
		}
	}
	return c, c.Auth.Validate()
}

// close stops following the token file.
func (a *controlAuth) close() {
	if a.tokens != nil {
		a.tokens.Close()
	}
}
