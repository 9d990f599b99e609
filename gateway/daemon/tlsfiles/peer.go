package tlsfiles

import (
	"crypto/tls"
	"crypto/x509"
)

// clientCertificate returns the certificate that this end shows as a client: the first pair's, as loaded now.
func (s *Store) clientCertificate(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return &s.current.Load().certificates[0].tls, nil
}

// Roots loads the CAs of a PEM file of at most 1 MiB, for a client that checks servers. The file is not followed. The
// error names the file and says what to do.
func Roots(path string) (*x509.CertPool, error) {
	f := readFile(path)
	if f.err != nil {
		return nil, f.err
	}
	found, err := certificatesIn(path, f.data)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	for _, authority := range found {
		pool.AddCert(authority)
	}
	return pool, nil
}
