// Package authority issues certificates for tests. It imports the standard library only, and only tests import it.
package authority

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"time"
)

// CA is a certificate authority. Its methods may be called from any goroutine.
type CA struct{ Certificate }

// New makes an authority with a new key and a certificate that it signs itself. The options apply to that certificate.
// New panics if crypto/x509 refuses the options, because they are a mistake of the test.
func New(name string, options ...Option) *CA {
	template := &x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign}
	complete(template, options)
	key := newKey(template)
	return &CA{*sign(template, template, key, key)}
}

// Issue makes a certificate of a new key, for any use. Without options it has no name and is valid for 30 days. Issue
// panics like New.
func (ca *CA) Issue(options ...Option) *Certificate {
	template := &x509.Certificate{KeyUsage: x509.KeyUsageDigitalSignature}
	complete(template, options)
	return sign(template, ca.X509, newKey(template), ca.Key)
}

// Server issues a certificate that only servers may use.
func (ca *CA) Server(options ...Option) *Certificate {
	return ca.Issue(append([]Option{usage(x509.ExtKeyUsageServerAuth)}, options...)...)
}

// Client issues a certificate that only clients may use.
func (ca *CA) Client(options ...Option) *Certificate {
	return ca.Issue(append([]Option{usage(x509.ExtKeyUsageClientAuth)}, options...)...)
}

// Peer issues a certificate for either end of a connection.
func (ca *CA) Peer(options ...Option) *Certificate {
	return ca.Issue(append([]Option{usage(x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth)}, options...)...)
}

// Pool returns a new pool with this authority only.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.X509)
	return pool
}

// complete applies the options to a template, and starts its validity an hour ago. If the certificate ended before
// that, its validity starts an hour before its end.
func complete(template *x509.Certificate, options []Option) {
	now := time.Now()
	template.NotBefore, template.NotAfter = now.Add(-time.Hour), now.Add(30*24*time.Hour)
	for _, option := range options {
		option(template)
	}
	if !template.NotBefore.Before(template.NotAfter) {
		template.NotBefore = template.NotAfter.Add(-time.Hour)
	}
}

// newKey makes a key of the kind that the template asks for: RSA with 2,048 bits, or ECDSA on P-256.
func newKey(template *x509.Certificate) crypto.Signer {
	if template.PublicKeyAlgorithm == x509.RSA {
		return must[crypto.Signer](rsa.GenerateKey(rand.Reader, 2048))
	}
	return must[crypto.Signer](ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
}

// sign makes the certificate of a key. The serial number is random, as crypto/x509 chooses it.
func sign(template, parent *x509.Certificate, key, signer crypto.Signer) *Certificate {
	der := must(x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer))
	return &Certificate{X509: must(x509.ParseCertificate(der)), Key: key}
}

// must returns a value, and panics with an error that only a mistake of the test can cause.
func must[T any](value T, err error) T {
	if err != nil {
		panic(fmt.Sprintf("authority: %v", err))
	}
	return value
}
