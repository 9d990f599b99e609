package daemon

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/pflag"

	"github.com/sockgate/sockgate/gateway/daemon/tlsfiles"
)

// tlsFlags say how listeners speak TLS. They come from the flags, or from the words of one listener. An empty field was
// not given.
type tlsFlags struct {
	certs, keys []string // in pairs, by position
	clientCA    []string
	clientAuth  string // off, request or require
	minVersion  string // 1.2 or 1.3
	alpn        []string
}

func (t *tlsFlags) flags(f *pflag.FlagSet) {
	f.StringArrayVar(&t.certs, "tls-cert", nil, "PEM file of a certificate, which makes listeners TLS; may be given "+
		"again: SNI chooses, and the first is the default")
	f.StringArrayVar(&t.keys, "tls-key", nil, "PEM file of the private key of a --tls-cert; as many, in the same order")
	f.StringArrayVar(&t.clientCA, "tls-client-ca", nil, "PEM file of CAs that client certificates must chain to; may be "+
		"given again")
	f.StringVar(&t.clientAuth, "tls-client-auth", "", "client certificates: off, request or require (default: require "+
		"with --tls-client-ca, else off)")
	f.StringVar(&t.minVersion, "tls-min-version", "", "oldest TLS version that is accepted: 1.2 or 1.3 (default 1.2)")
	f.StringArrayVar(&t.alpn, "tls-alpn", nil, "protocol for ALPN, the preferred first; may be given again")
}

// validate checks the settings for all listeners, even if no listener uses them.
func (t *tlsFlags) validate() error {
	if t.clientAuth != "" {
		if err := oneOf("tls-client-auth", t.clientAuth, clientAuths()...); err != nil {
			return err
		}
	}
	if t.minVersion != "" {
		if err := oneOf("tls-min-version", t.minVersion, "1.2", "1.3"); err != nil {
			return err
		}
	}
	if len(t.certs) != len(t.keys) {
		return fmt.Errorf("%d of --tls-cert and %d of --tls-key: expected one key for each certificate, in the same order; "+
			"one file may be both",
			len(t.certs), len(t.keys))
	}
	return nil
}

// said reports whether any setting is given.
func (t *tlsFlags) said() bool {
	return len(t.certs)+len(t.keys)+len(t.clientCA)+len(t.alpn) > 0 || t.clientAuth != "" || t.minVersion != ""
}

// over fills in the defaults for the fields that were not given.
func (t tlsFlags) over(defaults tlsFlags) tlsFlags {
	if len(t.certs)+len(t.keys) == 0 {
		t.certs, t.keys = defaults.certs, defaults.keys
	}
	if len(t.clientCA) == 0 {
		t.clientCA = defaults.clientCA
	}
	t.clientAuth = cmp.Or(t.clientAuth, defaults.clientAuth)
	t.minVersion = cmp.Or(t.minVersion, defaults.minVersion)
	if len(t.alpn) == 0 {
		t.alpn = defaults.alpn
	}
	return t
}

// clientAuths lists the words for client authentication.
func clientAuths() []string { return []string{"off", "request", "require"} }

// files returns the configuration of a listener's files. It does not open them.
func (t *tlsFlags) files() (tlsfiles.Config, error) {
	switch {
	case t.clientAuth != "" && !slices.Contains(clientAuths(), t.clientAuth):
		return tlsfiles.Config{}, fmt.Errorf("client-auth=%.100s: expected %s", t.clientAuth, anyOf(clientAuths()))
	case t.minVersion != "" && t.minVersion != "1.2" && t.minVersion != "1.3":
		return tlsfiles.Config{}, fmt.Errorf("min-version=%.100s: expected 1.2 or 1.3", t.minVersion)
	case len(t.certs) == 0 && len(t.keys) == 0:
		return tlsfiles.Config{}, errors.New("TLS needs a certificate: give tls-cert= and tls-key=, or --tls-cert and " +
			"--tls-key for all listeners")
	case len(t.certs) != len(t.keys):
		return tlsfiles.Config{}, fmt.Errorf("%d of tls-cert and %d of tls-key: expected one key for each certificate, in "+
			"the same order; one file may be both", len(t.certs), len(t.keys))
	}
	c := tlsfiles.Config{MinVersion: tls.VersionTLS12, Protocols: t.alpn}
	for i := range t.certs {
		c.Pairs = append(c.Pairs, tlsfiles.Pair{Cert: t.certs[i], Key: t.keys[i]})
	}
	if t.minVersion == "1.3" {
		c.MinVersion = tls.VersionTLS13
	}
	switch {
	case t.clientAuth == "request":
		c.ClientAuth = tlsfiles.ClientAuthRequest
	case t.clientAuth == "require", t.clientAuth == "" && len(t.clientCA) > 0:
		c.ClientAuth = tlsfiles.ClientAuthRequire
	default:
		return c, nil
	}
	if c.ClientCA = t.clientCA; len(c.ClientCA) == 0 {
		return c, fmt.Errorf("client-auth=%s needs the CAs that client certificates must be under: give client-ca=, or "+
			"--tls-client-ca for all listeners", t.clientAuth)
	}
	return c, nil
}
