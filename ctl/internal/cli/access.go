package cli

import (
	"maps"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// access says how a control plane is reached: its address, TLS, and what proves who calls. It has the paths of files, and no secret
// but a token that came from the environment.
type access struct {
	Gateway    string `yaml:"gateway" json:"gateway"`                            // host:port or unix:///path
	TLS        bool   `yaml:"tls,omitempty" json:"tls"`                          // also with any of the next four
	CA         string `yaml:"tls-ca,omitempty" json:"tlsCa,omitempty"`           // PEM file; empty: the system's
	Cert       string `yaml:"tls-cert,omitempty" json:"tlsCert,omitempty"`       // PEM file of the client certificate
	Key        string `yaml:"tls-key,omitempty" json:"tlsKey,omitempty"`         // PEM file of its key
	ServerName string `yaml:"server-name,omitempty" json:"serverName,omitempty"` // in place of the address's host
	TokenFile  string `yaml:"token-file,omitempty" json:"tokenFile,omitempty"`   // has one token

	token string // SOCKGATE_TOKEN
}

// accessFlags are the flags of access, their environment variables, and their help. A variable is none of the gateway's, which may run in
// the same environment: SOCKGATE_TLS_CERT is the certificate of its listeners.
func accessFlags() []struct{ name, variable, help string } {
	return []struct{ name, variable, help string }{
		{"gateway", "SOCKGATE_GATEWAY", "control plane's `ADDR`: host:port or unix:///path"},
		{"tls-ca", "SOCKGATE_TLS_CA", "use TLS, and trust the certificate authorities in this PEM `FILE`"},
		{"tls-cert", "SOCKGATE_TLS_CLIENT_CERT", "use TLS with the client certificate in this PEM `FILE`"},
		{"tls-key", "SOCKGATE_TLS_CLIENT_KEY", "PEM `FILE` with the key of --tls-cert"},
		{"server-name", "SOCKGATE_SERVER_NAME", "use TLS, and expect a certificate for this `NAME`, not for the host of --gateway"},
		{"token-file", "SOCKGATE_TOKEN_FILE", "`FILE` with the token that proves who calls; or SOCKGATE_TOKEN has the token itself"},
	}
}

// registerAccess declares the flags for all commands. What they are worth is known when they are resolved.
func (a *app) registerAccess(root *cobra.Command) {
	f := root.PersistentFlags()
	for _, flag := range accessFlags() {
		value := ""
		if flag.name == "gateway" {
			value = defaultGateway
		}
		f.String(flag.name, value, flag.help+" (env "+flag.variable+")")
	}
	f.Bool("tls", false, "use TLS with the system's certificate authorities; --tls=false never does (env SOCKGATE_TLS)")
	f.String("context", "", "use the context of this `NAME` in place of the current one (env SOCKGATE_CONTEXT); see ctl context")
	completeFlag(root, "gateway")
	completeFlag(root, "server-name")
	_ = root.RegisterFlagCompletionFunc("context", a.completeContexts)
	a.flags = f
}

// field returns the place of a flag's value.
func (x *access) field(flag string) *string {
	return map[string]*string{"gateway": &x.Gateway, "tls-ca": &x.CA, "tls-cert": &x.Cert, "tls-key": &x.Key,
		"server-name": &x.ServerName, "token-file": &x.TokenFile}[flag]
}

// access resolves how to reach the control plane: a flag goes before the environment, the environment before the context, and the
// context before the default. The current context is left aside where the address is given and is not its own: what goes with
// it was not meant for another gateway.
func (a *app) access() (*access, error) {
	given, err := a.givenAccess()
	if err != nil {
		return nil, err
	}
	base, chosen, err := a.contextAccess()
	if err != nil {
		return nil, err
	}
	if base == nil || !chosen && given["gateway"] != "" && given["gateway"] != base.Gateway {
		base = &access{Gateway: defaultGateway}
	}
	x := *base
	wanted, err := a.tlsWanted()
	if err != nil {
		return nil, err
	}
	if err := x.override(given, wanted); err != nil {
		return nil, err
	}
	return &x, x.check()
}

// flagAccess has what flags say, by their names.
func (a *app) flagAccess() map[string]string {
	given := map[string]string{}
	for _, flag := range accessFlags() {
		if f := a.flags.Lookup(flag.name); f.Changed {
			given[flag.name] = f.Value.String()
		}
	}
	return given
}

// givenAccess has what flags and environment say, by the flag's name. A flag may be given as empty, which takes away what the
// context has.
func (a *app) givenAccess() (map[string]string, error) {
	given := map[string]string{}
	for _, flag := range accessFlags() {
		if value := a.env.Getenv(flag.variable); value != "" {
			given[flag.name] = value
		}
	}
	maps.Copy(given, a.flagAccess())
	if token := a.env.Getenv("SOCKGATE_TOKEN"); token != "" && !a.flags.Lookup("token-file").Changed {
		if _, both := given["token-file"]; both {
			return nil, usagef("both SOCKGATE_TOKEN and SOCKGATE_TOKEN_FILE are set; unset one of them")
		}
		given["token"] = token
	}
	return given, nil
}

// override puts what was given in the place of what the context says. wanted is what was said of TLS; nil for nothing.
func (x *access) override(given map[string]string, wanted *bool) error {
	_, cert := given["tls-cert"]
	_, key := given["tls-key"]
	if cert || key {
		x.Cert, x.Key = "", "" // a certificate and the key of another never fit
	}
	if token, ok := given["token"]; ok {
		x.TokenFile, x.token = "", token
	}
	for name, value := range given {
		if place := x.field(name); place != nil {
			*place = value
		}
	}
	implied := x.CA != "" || x.Cert != "" || x.ServerName != ""
	switch {
	case wanted == nil:
		x.TLS = x.TLS || implied
	case *wanted:
		x.TLS = true
	default:
		if given["tls-ca"]+given["tls-cert"]+given["server-name"] != "" {
			return usagef("--tls=false and a setting of TLS exclude each other; leave one of them out")
		}
		x.TLS, x.CA, x.Cert, x.Key, x.ServerName = false, "", "", "", ""
	}
	return nil
}

// tlsFlag is what --tls says; nil if it was not given.
func (a *app) tlsFlag() *bool {
	f := a.flags.Lookup("tls")
	if !f.Changed {
		return nil
	}
	wanted := f.Value.String() == "true"
	return &wanted
}

// tlsWanted is what --tls or SOCKGATE_TLS says; nil for neither.
func (a *app) tlsWanted() (*bool, error) {
	if wanted := a.tlsFlag(); wanted != nil {
		return wanted, nil
	}
	text := a.env.Getenv("SOCKGATE_TLS")
	if text == "" {
		return nil, nil
	}
	wanted, err := strconv.ParseBool(text)
	if err != nil {
		return nil, usagef("SOCKGATE_TLS=%.40q is neither true nor false", text)
	}
	return &wanted, nil
}

// check refuses what cannot work, and to send a token where others can read it.
func (x *access) check() error {
	if err := checkGateway(x.Gateway); err != nil {
		return err
	}
	switch {
	case (x.Cert == "") != (x.Key == ""):
		return usagef("a client certificate needs --tls-cert and --tls-key; only one of the two is given")
	case x.TLS && x.ServerName == "" && strings.HasPrefix(x.Gateway, "unix://"):
		return usagef("TLS on a unix socket needs --server-name NAME, the name that the gateway's certificate is for")
	case x.hasToken() && !x.TLS && !x.local():
		return usagef("a token would go to %s in plain text, where others can read it; use TLS (--tls, or --tls-ca FILE)", x.Gateway)
	}
	return nil
}

// hasToken says that calls carry a token.
func (x *access) hasToken() bool { return x.token != "" || x.TokenFile != "" }

// local says that nothing leaves this machine on the way to the control plane.
func (x *access) local() bool {
	if strings.HasPrefix(x.Gateway, "unix://") {
		return true
	}
	host, _, _ := net.SplitHostPort(x.Gateway)
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// absolute makes the paths independent of the working directory.
func (x *access) absolute() error {
	for _, path := range []*string{&x.CA, &x.Cert, &x.Key, &x.TokenFile} {
		if *path == "" {
			continue
		}
		full, err := filepath.Abs(*path)
		if err != nil {
			return err
		}
		*path = full
	}
	return nil
}
