package tlsfiles

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"time"
)

// generation is the result of one load of all the files. It is immutable: connections that began with it go on with it.
type generation struct {
	certificates []*certificate
	authorities  []*x509.Certificate
	config       *tls.Config
}

// newGeneration makes a generation of the files. The error names the file and says what to do.
func newGeneration(c *Config, s snapshot, keys *tls.Config) (*generation, error) {
	g := new(generation)
	for _, pair := range c.Pairs {
		loaded, err := loadCertificate(pair, s)
		if err != nil {
			return nil, err
		}
		g.certificates = append(g.certificates, loaded)
	}
	pool := x509.NewCertPool() // an empty pool, because nil stands for the system's
	for _, path := range c.ClientCA {
		if err := s[path].err; err != nil {
			return nil, err
		}
		found, err := certificatesIn(path, s[path].data)
		if err != nil {
			return nil, err
		}
		for _, authority := range found {
			pool.AddCert(authority)
		}
		g.authorities = append(g.authorities, found...)
	}
	g.config = baseConfig(c)
	g.config.ClientCAs = pool
	g.config.GetCertificate = newChoice(g.certificates).get
	t := &tickets{keys: keys, mark: []byte(ticketMark + rand.Text())}
	g.config.WrapSession, g.config.UnwrapSession = t.wrap, t.unwrap
	return g, nil
}

// baseConfig returns the configuration without the files. It allows TLS 1.2 with forward secrecy and authenticated
// encryption only. All suites of TLS 1.3 have both.
func baseConfig(c *Config) *tls.Config {
	return &tls.Config{
		MinVersion: c.MinVersion,
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		ClientAuth: c.ClientAuth.tls(),
		NextProtos: c.Protocols,
	}
}

// sameAuthorities reports whether two generations have the same client CAs.
func (g *generation) sameAuthorities(other *generation) bool {
	return slices.EqualFunc(g.authorities, other.authorities, (*x509.Certificate).Equal)
}

// spoils returns the reason why a new generation must not replace this one, or nil: an expired certificate is worse
// than one that has not expired.
func (g *generation) spoils(next *generation, now time.Time) error {
	for i, c := range next.certificates {
		if c.expired(now) && !g.certificates[i].expired(now) {
			return fmt.Errorf("the certificate in %s expired on %s: expected one that is valid now", c.pair.Cert,
				dated(c.tls.Leaf.NotAfter))
		}
	}
	return nil
}
