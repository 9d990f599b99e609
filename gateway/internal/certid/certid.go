// Package certid says who a certificate's owner is.
package certid

import (
	"crypto/x509"
	"strings"
)

// maxIdentity is the most bytes of an identity: a longer name is none.
const maxIdentity = 1024

// spiffeScheme is what SPIFFE IDs begin with, and no other name may: letters of both cases count.
const spiffeScheme = "spiffe:"

// Identity returns who a verified certificate says that its owner is: the SPIFFE ID when it has exactly one, else the first DNS name,
// else the subject's common name; "" when there is none of these, what was found has more than 1,024 bytes, or is a DNS or common name that
// looks like a SPIFFE ID. The certificate must have been verified: anyone can write any name into one.
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
		return Plain(c.DNSNames[0])
	}
	return Plain(c.Subject.CommonName)
}

// Plain returns a DNS name or a common name as it is, and "" for one that looks like a SPIFFE ID. An authority that lets its clients
// choose their common names, or is constrained to some URIs, does not mean that by it, and roles and bans could not tell the two apart.
func Plain(name string) string {
	if len(name) >= len(spiffeScheme) && strings.EqualFold(name[:len(spiffeScheme)], spiffeScheme) {
		return ""
	}
	return name
}
