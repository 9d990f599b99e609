package authority

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"net/url"
	"time"
)

// Option changes the template of a certificate before it is signed. A test may write its own for fields that this
// package does not name.
type Option func(*x509.Certificate)

// CommonName sets the common name of the subject.
func CommonName(name string) Option {
	return func(c *x509.Certificate) { c.Subject = pkix.Name{CommonName: name} }
}

// DNS adds DNS names. It does not check them.
func DNS(names ...string) Option {
	return func(c *x509.Certificate) { c.DNSNames = append(c.DNSNames, names...) }
}

// IP adds addresses. It panics if one does not parse.
func IP(addresses ...string) Option {
	return func(c *x509.Certificate) {
		for _, address := range addresses {
			ip := net.ParseIP(address)
			if ip == nil {
				panic("authority: not an address: " + address)
			}
			c.IPAddresses = append(c.IPAddresses, ip)
		}
	}
}

// URI adds a URI, such as a SPIFFE ID. It panics if the text does not parse.
func URI(text string) Option {
	return func(c *x509.Certificate) { c.URIs = append(c.URIs, must(url.Parse(text))) }
}

// Until sets the end of the validity. It may be in the past.
func Until(end time.Time) Option {
	return func(c *x509.Certificate) { c.NotAfter = end }
}

// RSA is the option for an RSA key in place of one on P-256.
func RSA(c *x509.Certificate) {
	c.PublicKeyAlgorithm = x509.RSA
	c.KeyUsage |= x509.KeyUsageKeyEncipherment
}

// usage limits a certificate to some uses.
func usage(uses ...x509.ExtKeyUsage) Option {
	return func(c *x509.Certificate) { c.ExtKeyUsage = uses }
}
