package certid_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"net/url"
	"strings"
	"testing"

	"github.com/sockgate/sockgate/gateway/internal/certid"
)

// uris parses URIs that are valid.
func uris(t *testing.T, texts ...string) []*url.URL {
	t.Helper()
	var parsed []*url.URL
	for _, text := range texts {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, u)
	}
	return parsed
}

// TestIdentity checks the order of names: the SPIFFE ID goes before the DNS name, and the DNS name before the common
// name. Two SPIFFE IDs give no identity. Neither does a name that is too long or only looks like a SPIFFE ID.
func TestIdentity(t *testing.T) {
	subject := pkix.Name{CommonName: "common"}
	for _, c := range []struct {
		name string
		cert x509.Certificate
		want string
	}{
		{"nothing", x509.Certificate{}, ""},
		{"common name", x509.Certificate{Subject: subject}, "common"},
		{"DNS name", x509.Certificate{Subject: subject, DNSNames: []string{"first.example", "second.example"}},
			"first.example"},
		{"SPIFFE ID", x509.Certificate{Subject: subject, DNSNames: []string{"a.example"},
			URIs: uris(t, "https://a.example/", "spiffe://trust/web")},
			"spiffe://trust/web"},
		{"another URI", x509.Certificate{Subject: subject, URIs: uris(t, "https://a.example/")}, "common"},
		{"two SPIFFE IDs", x509.Certificate{Subject: subject, DNSNames: []string{"a.example"},
			URIs: uris(t, "spiffe://trust/a", "spiffe://trust/b")}, ""},
		{"a common name like a SPIFFE ID", x509.Certificate{Subject: pkix.Name{CommonName: "spiffe://trust/web"}}, ""},
		{"in capitals", x509.Certificate{Subject: pkix.Name{CommonName: "SPIFFE://trust/web"}}, ""},
		{"with another URI", x509.Certificate{Subject: pkix.Name{CommonName: "spiffe://trust/web"},
			URIs: uris(t, "https://a.example/")}, ""},
		{"a DNS name like a SPIFFE ID", x509.Certificate{Subject: subject, DNSNames: []string{"spiffe://trust/web"}}, ""},
		{"a common name with the word", x509.Certificate{Subject: pkix.Name{CommonName: "spiffe"}}, "spiffe"},
		{"longest", x509.Certificate{Subject: pkix.Name{CommonName: strings.Repeat("n", 1024)}}, strings.Repeat("n", 1024)},
		{"too long", x509.Certificate{Subject: pkix.Name{CommonName: strings.Repeat("n", 1025)}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := certid.Identity(&c.cert); got != c.want {
				t.Errorf("identity %q; expected %q", got, c.want)
			}
		})
	}
}
