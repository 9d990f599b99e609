package attempts

import (
	"crypto/tls"
	"crypto/x509"
	"path/filepath"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/internal/authority"
)

// issuer is a private CA of a test.
type issuer struct {
	*authority.CA
	dir string
}

// newAuthority makes a CA whose certificate is in the file NAME.pem of a directory.
func newAuthority(t *testing.T, dir, name string) *issuer {
	t.Helper()
	a := &issuer{CA: authority.New(name), dir: dir}
	a.WriteCert(t, dir, name)
	return a
}

func (a *issuer) file(name string) string { return filepath.Join(a.dir, name) }

// issue makes a certificate of a client that may be one, with a SPIFFE ID unless it is empty. A change that is not nil
// alters it first.
func (a *issuer) issue(name, spiffe string, change authority.Option) tls.Certificate {
	options := []authority.Option{authority.CommonName(name)}
	if spiffe != "" {
		options = append(options, authority.URI(spiffe))
	}
	if change != nil {
		options = append(options, change)
	}
	return a.Client(options...).TLS()
}

// local is the option of a server on this machine.
func local(c *x509.Certificate) {
	authority.DNS("localhost")(c)
	authority.IP("127.0.0.1")(c)
}

// expired is the option of a certificate that ended a minute ago.
func expired(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }
