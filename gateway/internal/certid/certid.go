// Package certid says who a certificate's owner is.
package certid

import "crypto/x509"

// maxIdentity is the most bytes of an identity: a longer name is none.
const maxIdentity = 1024

// Identity returns who a verified certificate says that its owner is: the SPIFFE ID when it has exactly one, else the first DNS name,
// else the subject's common name; "" when there is none of these, or what was found has more than 1,024 bytes. The certificate must
// have been verified: anyone can write any name into one.
func Identity(c *x509.Certificate) string {
	id := name(c)
	if len(id) > maxIdentity {
		return ""
	}
	return id
}

// name returns the name that goes before the others. A certificate with several SPIFFE IDs is not a valid SVID, and names nobody by
// them; its other names could be meant for something else, so they do not count either.
func name(c *x509.Certificate) string {
	spiffe, count := "", 0
	for _, uri := range c.URIs {
		if uri.Scheme == "spiffe" {
			spiffe = uri.String()
			count++
		}
	}
	switch {
	case count == 1:
		return spiffe
	case count > 1:
		return ""
	case len(c.DNSNames) > 0:
		return c.DNSNames[0]
	}
	return c.Subject.CommonName
}
