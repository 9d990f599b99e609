package daemon_test

import (
	"crypto/tls"
	"testing"

	"github.com/sockgate/sockgate/gateway/internal/authority"
)

// issuer is a CA with a directory for the files that it issues.
type issuer struct {
	*authority.CA
	t   testing.TB
	dir string
}

// newAuthority makes a CA. Its certificate is in ca.pem of its directory.
func newAuthority(t testing.TB) *issuer {
	t.Helper()
	ca := &issuer{CA: authority.New("CA"), t: t, dir: t.TempDir()}
	ca.WriteCert(t, ca.dir, "ca")
	return ca
}

// server issues a server's certificate into two files. The common name tells it from others with the same DNS name.
func (ca *issuer) server(file, common, name string) (cert, key string) {
	ca.t.Helper()
	return ca.Server(authority.CommonName(common), authority.DNS(name)).Write(ca.t, ca.dir, file)
}

// client issues a client's certificate.
func (ca *issuer) client(common string) tls.Certificate {
	return ca.Client(authority.CommonName(common)).TLS()
}

// trusted returns a client's configuration that trusts this CA, with the client's own certificates if any are given.
func (ca *issuer) trusted(name string, own ...tls.Certificate) *tls.Config {
	return &tls.Config{ServerName: name, RootCAs: ca.Pool(), Certificates: own}
}
