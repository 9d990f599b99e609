package tlsfiles

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"

	"github.com/hashicorp/go-hclog"
)

// Pair names the files of one certificate. One file may hold both.
type Pair struct {
	Cert string // PEM: the certificate itself first, then the intermediate ones
	Key  string // PEM: its private key, not encrypted
}

// ClientAuth says whether clients are asked for a certificate. The zero value is ClientAuthOff.
type ClientAuth int

// Kinds of client authentication.
const (
	ClientAuthOff     ClientAuth = iota // no certificate is asked for
	ClientAuthRequest                   // one is asked for; a client may have none, but one that it shows must be valid
	ClientAuthRequire                   // every client must show a valid one
)

// String returns the kind's word in flags: off, request or require.
func (a ClientAuth) String() string {
	switch a {
	case ClientAuthRequest:
		return "request"
	case ClientAuthRequire:
		return "require"
	}
	return "off"
}

// tls returns crypto/tls's name of the kind.
func (a ClientAuth) tls() tls.ClientAuthType {
	switch a {
	case ClientAuthRequest:
		return tls.VerifyClientCertIfGiven
	case ClientAuthRequire:
		return tls.RequireAndVerifyClientCert
	}
	return tls.NoClientCert
}

// Config names the files of a server's TLS, and the demands on its clients.
type Config struct {
	// Pairs are the certificates, at least one. A client gets the first certificate that has the requested name (SNI) and
	// that it can verify, or the very first if there is none.
	Pairs []Pair
	// ClientCA are PEM files of the CAs that client certificates must lead to. Set both ClientCA and ClientAuth, or
	// neither.
	ClientCA []string
	// ClientAuth says whether clients need a certificate. Default: ClientAuthOff.
	ClientAuth ClientAuth
	// MinVersion is the oldest version that the server speaks, tls.VersionTLS12 or tls.VersionTLS13. Default:
	// tls.VersionTLS12. A client that speaks both versions gets 1.3.
	MinVersion uint16
	// Protocols are the names for ALPN, the preferred first, each of 1 to 255 bytes. A client that offers only other
	// names is refused; one that offers none is not. Default: none.
	Protocols []string
	// Logger gets loaded certificates, files that cannot be used, and warnings about certificates and keys. Default: no
	// log.
	Logger hclog.Logger
}

// maxProtocol is the most bytes of a name in ALPN (RFC 7301).
const maxProtocol = 255

// withDefaults returns the configuration with every default filled in. An error says what is wrong.
func (c Config) withDefaults() (Config, error) {
	c.MinVersion = cmp.Or(c.MinVersion, tls.VersionTLS12)
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	c.Pairs, c.ClientCA, c.Protocols = slices.Clone(c.Pairs), slices.Clone(c.ClientCA), slices.Clone(c.Protocols)
	return c, c.validate()
}

// validate checks everything that needs no file.
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
		return fmt.Errorf("client authentication is %s with %d files of client CAs: give both or neither", c.ClientAuth,
			len(c.ClientCA))
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

// files returns every file once, in the order of the configuration.
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
