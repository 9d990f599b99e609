package control_test

import (
	"crypto/tls"

	"google.golang.org/grpc/credentials"

	"github.com/sockgate/sockgate/gateway/internal/authority"
)

// issuer is a CA that makes TLS configurations from its certificates.
type issuer struct{ *authority.CA }

func newAuthority() issuer { return issuer{authority.New("authority")} }

// issue makes a certificate for either end of a connection.
func (a issuer) issue(options ...authority.Option) tls.Certificate { return a.Peer(options...).TLS() }

// named makes a certificate with a SPIFFE ID.
func (a issuer) named(id string) tls.Certificate { return a.issue(authority.URI(id)) }

// server returns the configuration of a gateway of this authority. It verifies a client certificate if the client gives
// one.
func (a issuer) server() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{a.issue(authority.IP("127.0.0.1"))},
		ClientCAs: a.Pool(), ClientAuth: tls.VerifyClientCertIfGiven}
}

// client returns the credentials of a client with certificates, or none.
func (a issuer) client(certificates ...tls.Certificate) credentials.TransportCredentials {
	present := func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if len(certificates) == 0 {
			return &tls.Certificate{}, nil
		}
		return &certificates[0], nil // even one that the gateway's authorities did not issue
	}
	return credentials.NewTLS(&tls.Config{RootCAs: a.Pool(), ServerName: "127.0.0.1", GetClientCertificate: present})
}
