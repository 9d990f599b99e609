package tlsfiles

import (
	"crypto/tls"
	"crypto/x509"
)

// clientCertificate returns what this end shows where it is the client: the first certificate, as its files have it at the moment.
func (s *Store) clientCertificate(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return &s.current.Load().certificates[0].tls, nil
}

// Roots loads the CAs of a file, for a client to check servers by. They are not followed. The error names the file and what to do.
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
