package app

import (
	"maps"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sockgate/sockgate/ctl/internal/loopback"
)

// Access says how a control plane is reached: its address, its TLS, and the caller's credentials. It holds paths of
// files; the only secret in it is a token from the environment.
type Access struct {
	Gateway    string `yaml:"gateway" json:"gateway"`                            // host:port or unix:///path
	TLS        bool   `yaml:"tls,omitempty" json:"tls"`                          // also with any of the next four
	CA         string `yaml:"tls-ca,omitempty" json:"tlsCa,omitempty"`           // PEM file; empty: the system's
	Cert       string `yaml:"tls-cert,omitempty" json:"tlsCert,omitempty"`       // PEM file of the client certificate
	Key        string `yaml:"tls-key,omitempty" json:"tlsKey,omitempty"`         // PEM file of its key
	ServerName string `yaml:"server-name,omitempty" json:"serverName,omitempty"` // in place of the address's host
	TokenFile  string `yaml:"token-file,omitempty" json:"tokenFile,omitempty"`   // has one token

	// Token is SOCKGATE_TOKEN; it is neither kept in the contexts nor printed.
	Token string `yaml:"-" json:"-"`
}

// accessFlags are the flags of Access with their environment variables and their help. The gateway reads none of
// these variables, because both programs may share an environment: SOCKGATE_TLS_CERT is the certificate of the
// gateway's listeners.
func accessFlags() []struct{ name, variable, help string } {
	return []struct{ name, variable, help string }{
		{"gateway", "SOCKGATE_GATEWAY", "control plane's `ADDR`: host:port or unix:///path"},
		{"tls-ca", "SOCKGATE_TLS_CA", "use TLS, and trust the certificate authorities in this PEM `FILE`"},
		{"tls-cert", "SOCKGATE_TLS_CLIENT_CERT", "use TLS with the client certificate in this PEM `FILE`"},
		{"tls-key", "SOCKGATE_TLS_CLIENT_KEY", "PEM `FILE` with the key of --tls-cert"},
		{"server-name", "SOCKGATE_SERVER_NAME",
			"use TLS, and expect a certificate for this `NAME`, not for the host of --gateway"},
		{"token-file", "SOCKGATE_TOKEN_FILE",
			"`FILE` with the caller's token; or SOCKGATE_TOKEN has the token itself"},
	}
}

// registerAccess declares the flags for all commands. Their values are judged when Access resolves them.
func (a *App) registerAccess(root *cobra.Command) {
	f := root.PersistentFlags()
	for _, flag := range accessFlags() {
		value := ""
		if flag.name == "gateway" {
			value = DefaultGateway
		}
		f.String(flag.name, value, flag.help+" (env "+flag.variable+")")
	}
	f.Bool("tls", false, "use TLS with the system's certificate authorities; --tls=false never does (env SOCKGATE_TLS)")
	f.String("context", "",
		"use the context of this `NAME` in place of the current one (env SOCKGATE_CONTEXT); see ctl context")
	CompleteFlag(root, "gateway")
	CompleteFlag(root, "server-name")
	_ = root.RegisterFlagCompletionFunc("context", a.CompleteContexts)
	a.flags = f
}

// field returns the place of a flag's value; nil for a flag that has none.
func (x *Access) field(flag string) *string {
	return map[string]*string{"gateway": &x.Gateway, "tls-ca": &x.CA, "tls-cert": &x.Cert, "tls-key": &x.Key,
		"server-name": &x.ServerName, "token-file": &x.TokenFile}[flag]
}

// Access resolves how to reach the control plane. A flag goes before the environment, the environment before the
// context, and the context before the default. The current context is ignored where another address is given: its
// token was not meant for another gateway.
func (a *App) Access() (*Access, error) {
	given, err := a.givenAccess()
	if err != nil {
		return nil, err
	}
	base, chosen, err := a.contextAccess()
	if err != nil {
		return nil, err
	}
	if base == nil || !chosen && given["gateway"] != "" && given["gateway"] != base.Gateway {
		base = &Access{Gateway: DefaultGateway}
	}
	x := *base
	wanted, err := a.tlsWanted()
	if err != nil {
		return nil, err
	}
	if err := x.Override(given, wanted); err != nil {
		return nil, err
	}
	return &x, x.Check()
}

// FlagAccess returns the values of the flags that were given, by flag name.
func (a *App) FlagAccess() map[string]string {
	given := map[string]string{}
	for _, flag := range accessFlags() {
		if f := a.flags.Lookup(flag.name); f.Changed {
			given[flag.name] = f.Value.String()
		}
	}
	return given
}

// givenAccess returns the values of flags and environment, by flag name. A flag that is given as empty removes the
// context's value.
func (a *App) givenAccess() (map[string]string, error) {
	given := map[string]string{}
	for _, flag := range accessFlags() {
		if value := a.Env.Getenv(flag.variable); value != "" {
			given[flag.name] = value
		}
	}
	maps.Copy(given, a.FlagAccess())
	if token := a.Env.Getenv("SOCKGATE_TOKEN"); token != "" && !a.flags.Lookup("token-file").Changed {
		if _, both := given["token-file"]; both {
			return nil, Usagef("both SOCKGATE_TOKEN and SOCKGATE_TOKEN_FILE are set; unset one of them")
		}
		given["token"] = token
	}
	return given, nil
}

// Override replaces the context's values by those that were given. wanted is the value of --tls or its variable; nil
// when neither was given.
func (x *Access) Override(given map[string]string, wanted *bool) error {
	_, cert := given["tls-cert"]
	_, key := given["tls-key"]
	if cert || key {
		x.Cert, x.Key = "", "" // a certificate and the key of another never fit
	}
	if token, ok := given["token"]; ok {
		x.TokenFile, x.Token = "", token
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
			return Usagef("--tls=false and a setting of TLS exclude each other; leave one of them out")
		}
		x.TLS, x.CA, x.Cert, x.Key, x.ServerName = false, "", "", "", ""
	}
	return nil
}

// TLSFlag returns the value of --tls; nil if it was not given.
func (a *App) TLSFlag() *bool {
	f := a.flags.Lookup("tls")
	if !f.Changed {
		return nil
	}
	wanted := f.Value.String() == "true"
	return &wanted
}

// tlsWanted returns the value of --tls or else of SOCKGATE_TLS; nil when neither was given.
func (a *App) tlsWanted() (*bool, error) {
	if wanted := a.TLSFlag(); wanted != nil {
		return wanted, nil
	}
	text := a.Env.Getenv("SOCKGATE_TLS")
	if text == "" {
		return nil, nil
	}
	wanted, err := strconv.ParseBool(text)
	if err != nil {
		return nil, Usagef("SOCKGATE_TLS=%.40q is neither true nor false", text)
	}
	return &wanted, nil
}

// Check refuses settings that cannot work, and a token that others could read on its way.
func (x *Access) Check() error {
	if err := checkGateway(x.Gateway); err != nil {
		return err
	}
	switch {
	case (x.Cert == "") != (x.Key == ""):
		return Usagef("a client certificate needs --tls-cert and --tls-key; only one of the two is given")
	case x.TLS && x.ServerName == "" && strings.HasPrefix(x.Gateway, "unix://"):
		return Usagef("TLS on a unix socket needs --server-name NAME, the name that the gateway's certificate is for")
	case x.hasToken() && !x.TLS && !loopback.OnThisMachine(x.Gateway):
		return Usagef("a token would go to %s in plain text, where others can read it; use TLS (--tls, or --tls-ca FILE)",
			x.Gateway)
	}
	return nil
}

// hasToken reports whether calls carry a token.
func (x *Access) hasToken() bool { return x.Token != "" || x.TokenFile != "" }

// Absolute makes the paths independent of the working directory.
func (x *Access) Absolute() error {
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

// contextAccess returns the settings of the context to use, nil without one, and whether the user named it.
func (a *App) contextAccess() (x *Access, chosen bool, err error) {
	c, err := a.ReadContexts()
	if err != nil {
		return nil, false, err
	}
	name := a.Env.Getenv("SOCKGATE_CONTEXT")
	if f := a.flags.Lookup("context"); f.Changed {
		name = f.Value.String()
	}
	chosen = name != ""
	if !chosen {
		name = c.Current
	}
	if name == "" {
		return nil, false, nil
	}
	found := c.Find(name)
	if found == nil {
		return nil, false, a.NoContext(c, name)
	}
	return &found.Access, chosen, nil
}

// NoContext is the error for a name that no context has. It lists the contexts that exist.
func (a *App) NoContext(c *Contexts, name string) error {
	if len(c.Contexts) == 0 {
		return Usagef("there is no context %.100q, nor any other; add one with ctl context add", name)
	}
	return Usagef("there is no context %.100q; there are %s", name, strings.Join(c.names(), ", "))
}

// TLSText describes in a few words how TLS is used.
func (x *Access) TLSText() string {
	switch {
	case !x.TLS:
		return "no"
	case x.Cert != "":
		return "yes, with a certificate"
	default:
		return "yes"
	}
}

// CompleteContexts offers the names of contexts, with their addresses, for the first argument or a flag.
func (a *App) CompleteContexts(cmd *cobra.Command, args []string,
	prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
	c, err := a.ReadContexts()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var found []cobra.Completion
	for _, n := range c.Contexts {
		if strings.HasPrefix(n.Name, prefix) && len(args) == 0 {
			found = append(found, cobra.CompletionWithDesc(n.Name, Clean(n.Gateway)))
		}
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}
