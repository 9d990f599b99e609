package daemon

import (
	"crypto/tls"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/auth"
	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/daemon/tlsfiles"
)

// controlAuth is how the control plane finds out who calls it: what --control-… comes to.
type controlAuth struct {
	tls      *tls.Config         // nil without
	asks     tlsfiles.ClientAuth // for certificates
	required bool                // also on loopback
	roles    map[string]auth.Role
	tokens   *auth.TokenFile // nil without
	users    bool            // callers are known by their users: it is a unix socket
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

// files makes the configuration for the files of the control plane's TLS. A certificate is asked for and not required, because a token
// does as well, and so that a caller without either is told what it lacks, is counted, and is logged: it can do nothing but that.
func (c *controlFlags) files() tlsfiles.Config {
	files := tlsfiles.Config{Pairs: []tlsfiles.Pair{{Cert: c.cert, Key: c.key}}, ClientCA: c.clientCA, Protocols: []string{"h2"}}
	if len(c.clientCA) > 0 {
		files.ClientAuth = tlsfiles.ClientAuthRequest
	}
	return files
}

// String is how the log describes it: who is let in.
func (a *controlAuth) String() string {
	var by []string
	for _, way := range []struct {
		open bool
		name string
	}{{a.users, "users"}, {a.tls != nil && len(a.roles) > 0, "certificates"}, {a.tokens != nil, "tokens"}, {a.anybody(), "loopback"}} {
		if way.open {
			by = append(by, way.name)
		}
	}
	return strings.Join(by, ",")
}

// anybody reports whether callers on loopback may do everything without proving who they are: over plain TCP only.
func (a *controlAuth) anybody() bool { return !a.required && !a.users && a.tls == nil }

// config completes the control plane's configuration.
func (a *controlAuth) config(c control.Config) (control.Config, error) {
	c.TLS, c.MaxConnectionAge = a.tls, a.maxAge
	c.Auth = auth.Config{Required: a.required, Roles: a.roles, Tokens: a.tokens}
	return c, c.Auth.Validate()
}

// close ends following the token file.
func (a *controlAuth) close() {
	if a.tokens != nil {
		a.tokens.Close()
	}
}
