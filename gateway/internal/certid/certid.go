// Package certid reads the identity of a certificate's owner.
package certid

import (
	"crypto/x509"
	"strings"
)

// maxIdentity is the most bytes of an identity. A longer name is not an identity.
const maxIdentity = 1024

// spiffeScheme is the beginning of SPIFFE IDs, in letters of either case. No other name may begin with it.
const spiffeScheme = "spiffe:"

// Identity returns the identity of a verified certificate's owner: the SPIFFE ID if there is exactly one, else the
// first DNS name, else the subject's common name. It returns "" if there is none of these, if the name has more than
// 1,024 bytes, and if a DNS or common name looks like a SPIFFE ID. The caller must have verified the certificate,
// because anyone can write any name into one. It may be called from any goroutine.
func Identity(c *x509.Certificate) string {
	id := name(c)
	if len(id) > maxIdentity {
		return ""
	}
	return id
}

// name returns the first name in the order of Identity. A certificate with several SPIFFE IDs is not a valid SVID and
// gives no identity. Its other names do not count either, because they could be meant for another purpose.
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

// Plain returns a DNS name or a common name unchanged, and "" for one that looks like a SPIFFE ID. An authority that
// lets its clients choose their common names, or is constrained to some URIs, does not vouch for such a name. Roles and
// bans could not tell it from a SPIFFE ID.
func Plain(name string) string {
	if len(name) >= len(spiffeScheme) && strings.EqualFold(name[:len(spiffeScheme)], spiffeScheme) {
		return ""
	}
	return name
}
