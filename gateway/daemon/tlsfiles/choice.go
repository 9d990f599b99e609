package tlsfiles

import (
	"crypto/tls"
	"strings"
)

// choice picks the certificate of a handshake by the name that the client asks for (SNI). It is immutable.
type choice struct {
	all []*tls.Certificate // in the order of the configuration
	// byName has the certificates by their DNS names in lower case. A wildcard is a name like any other:
	// `*.example.org`.
	byName map[string][]*tls.Certificate
}

// newChoice returns the choice between certificates, at least one.
func newChoice(certificates []*certificate) *choice {
	c := &choice{byName: make(map[string][]*tls.Certificate)}
	for _, certificate := range certificates {
		c.all = append(c.all, &certificate.tls)
		for _, name := range certificate.tls.Leaf.DNSNames {
			name = strings.ToLower(name)
			c.byName[name] = append(c.byName[name], &certificate.tls)
		}
	}
	return c
}

// get returns the first certificate that the client can verify and that has exactly the requested name, or else a
// wildcard for it. If there is none, it returns the first that the client can verify, or else the first of all. A
// client that connects by an address asks for no name.
func (c *choice) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if len(c.all) == 1 {
		return c.all[0], nil
	}
	name := strings.ToLower(hello.ServerName)
	for _, named := range [][]*tls.Certificate{c.byName[name], c.byName[wildcard(name)]} {
		if found := verifiable(hello, named); found != nil {
			return found, nil
		}
	}
	nameless := *hello
	nameless.ServerName = ""
	if found := verifiable(&nameless, c.all); found != nil {
		return found, nil
	}
	return c.all[0], nil
}

// verifiable returns the first certificate whose name and kind of key suit a client, or nil if none does.
func verifiable(hello *tls.ClientHelloInfo, certificates []*tls.Certificate) *tls.Certificate {
	for _, c := range certificates {
		if hello.SupportsCertificate(c) == nil {
			return c
		}
	}
	return nil
}

// wildcard returns a name with `*` in place of its first label: `*.example.org` for `games.example.org`.
func wildcard(name string) string {
	_, domain, _ := strings.Cut(name, ".")
	return "*." + domain
}
