package tlsfiles

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"

	"github.com/hashicorp/go-hclog"
)

// Pair names the files of one certificate; one file may be both.
type Pair struct {
	Cert string // PEM: the certificate itself first, then the intermediate ones
	Key  string // PEM: its private key, not encrypted
}

// ClientAuth says what is asked of clients.
type ClientAuth int

// The kinds of client authentication.
const (
	ClientAuthOff     ClientAuth = iota // no certificate is asked for
	ClientAuthRequest                   // one is asked for; a client may have none, and one that it has must be good
	ClientAuthRequire                   // every client must have a good one
)

// String returns the kind's name as flags have it.
func (a ClientAuth) String() string {
	switch a {
	case ClientAuthRequest:
		return "request"
	case ClientAuthRequire:
		return "require"
	}
	return "off"
}

// tls returns what crypto/tls calls it.
func (a ClientAuth) tls() tls.ClientAuthType {
	switch a {
	case ClientAuthRequest:
		return tls.VerifyClientCertIfGiven
	case ClientAuthRequire:
		return tls.RequireAndVerifyClientCert
	}
	return tls.NoClientCert
}

// Config says which files make a server's TLS, and what it asks of clients.
type Config struct {
	// Pairs are the certificates; at least one. A client gets the first that has the name that it asks for (SNI) and that it can
	// verify, and the very first when none has.
	Pairs []Pair
	// ClientCA are files of the certificates, in PEM, that client certificates must lead to; with ClientAuth only.
	ClientCA []string
	// ClientAuth says whether clients need a certificate. Default: no.
	ClientAuth ClientAuth
	// MinVersion is the oldest version that is spoken, tls.VersionTLS12 or tls.VersionTLS13. Default tls.VersionTLS12; where a client has
	// both, it is 1.3.
	MinVersion uint16
	// Protocols are the names that are negotiated by ALPN, the preferred first. A client that names others only is refused, one that names
	// none is not. Default: none are.
	Protocols []string
	// Logger gets what was loaded and what could not be. Default: none.
	Logger hclog.Logger
}

// maxProtocol is the most bytes of a name in ALPN (RFC 7301).
const maxProtocol = 255

// withDefaults returns the configuration with every default filled in, or an error that says what is wrong.
func (c Config) withDefaults() (Config, error) {
	if c.MinVersion == 0 {
		c.MinVersion = tls.VersionTLS12
	}
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	c.Pairs, c.ClientCA, c.Protocols = slices.Clone(c.Pairs), slices.Clone(c.ClientCA), slices.Clone(c.Protocols)
	return c, c.validate()
}

// validate checks what can be without looking at the files.
func (c *Config) validate() error {
	if len(c.Pairs) == 0 {
		return errors.New("TLS needs a certificate: name the file of one, and that of its key")
	}
	for _, p := range c.Pairs {
		if p.Cert == "" || p.Key == "" {
			return fmt.Errorf("certificate %q with the key %q: expected the names of both files", p.Cert, p.Key)
		}
	}
	if (c.ClientAuth != ClientAuthOff) != (len(c.ClientCA) > 0) {
		return fmt.Errorf("client authentication is %s with %d files of client CAs: give both or neither", c.ClientAuth, len(c.ClientCA))
	}
	if c.MinVersion != tls.VersionTLS12 && c.MinVersion != tls.VersionTLS13 {
		return fmt.Errorf("minimum TLS version %s: expected TLS 1.2 or TLS 1.3", tls.VersionName(c.MinVersion))
	}
	for _, p := range c.Protocols {
		if p == "" || len(p) > maxProtocol {
			return fmt.Errorf("ALPN protocol %.100q: expected a name of 1 to %d bytes", p, maxProtocol)
		}
	}
	return nil
}

// files returns every file once, in the order in which they are configured.
func (c *Config) files() []string {
	var paths []string
	add := func(path string) {
		if !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}
	for _, p := range c.Pairs {
		add(p.Cert)
		add(p.Key)
	}
	for _, path := range c.ClientCA {
		add(path)
	}
	return paths
}
