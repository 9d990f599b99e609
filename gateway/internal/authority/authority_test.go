package authority_test

import (
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/internal/authority"
)

// verify verifies a certificate under a CA for one use.
func verify(ca *authority.CA, c *authority.Certificate, name string, use x509.ExtKeyUsage) error {
	_, err := c.X509.Verify(x509.VerifyOptions{Roots: ca.Pool(), DNSName: name, KeyUsages: []x509.ExtKeyUsage{use}})
	return err
}

// TestIssue checks that certificates are valid for their purpose and for no other.
func TestIssue(t *testing.T) {
	ca, other := authority.New("CA"), authority.New("CA")
	dns := authority.DNS("gateway.example")
	for _, c := range []struct {
		name           string
		cert           *authority.Certificate
		server, client bool
	}{
		{"any", ca.Issue(dns), true, true},
		{"server", ca.Server(dns), true, false},
		{"client", ca.Client(dns), false, true},
		{"peer", ca.Peer(dns, authority.RSA), true, true},
		{"expired", ca.Peer(dns, authority.Until(time.Now().Add(-48*time.Hour))), false, false},
		{"another CA's", other.Peer(dns), false, false},
	} {
		if err := verify(ca, c.cert, "gateway.example", x509.ExtKeyUsageServerAuth); (err == nil) != c.server {
			t.Errorf("%s: as a server's: %v", c.name, err)
		}
		if err := verify(ca, c.cert, "gateway.example", x509.ExtKeyUsageClientAuth); (err == nil) != c.client {
			t.Errorf("%s: as a client's: %v", c.name, err)
		}
		if c.cert.X509.NotBefore.After(c.cert.X509.NotAfter) {
			t.Errorf("%s: valid from %s to %s", c.name, c.cert.X509.NotBefore, c.cert.X509.NotAfter)
		}
	}
}

// TestOptions checks that each option shows in the certificate.
func TestOptions(t *testing.T) {
	end := time.Now().Add(time.Minute).Truncate(time.Second)
	c := authority.New("CA").Issue(authority.CommonName("ann"), authority.DNS("a.example", "b.example"),
		authority.IP("127.0.0.1", "::1"), authority.URI("spiffe://example.org/ann"), authority.Until(end), authority.RSA)
	x := c.X509
	if x.Subject.CommonName != "ann" || strings.Join(x.DNSNames, " ") != "a.example b.example" ||
		len(x.IPAddresses) != 2 || x.URIs[0].String() != "spiffe://example.org/ann" || !x.NotAfter.Equal(end) {
		t.Errorf("%+v", x)
	}
	if _, isRSA := c.Key.(*rsa.PrivateKey); !isRSA {
		t.Errorf("the key is a %T", c.Key)
	}
	for _, wrong := range []authority.Option{authority.IP("localhost"), authority.URI("%")} {
		if !panics(func() { authority.New("CA", wrong) }) {
			t.Error("a wrong option is accepted")
		}
	}
}

func panics(f func()) (panicked bool) {
	defer func() { panicked = recover() != nil }()
	f()
	return false
}

// TestWrite checks that the files are a pair that crypto/tls loads, and that new files replace old ones.
func TestWrite(t *testing.T) {
	dir, ca := t.TempDir(), authority.New("CA")
	ca.Server(authority.CommonName("old")).Write(t, dir, "server")
	fresh := ca.Server(authority.CommonName("new"))
	cert, key := fresh.Write(t, dir, "server")
	loaded, err := tls.LoadX509KeyPair(cert, key)
	if err != nil || !loaded.Leaf.Equal(fresh.X509) || !loaded.Leaf.Equal(fresh.TLS().Leaf) {
		t.Errorf("%v, %v", loaded.Leaf, err)
	}
	data, err := os.ReadFile(ca.WriteCert(t, dir, "ca"))
	if err != nil || string(data) != string(ca.CertPEM()) {
		t.Errorf("%q, %v", data, err)
	}
	if names, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(names) != 3 {
		t.Errorf("%v, %v", names, err)
	}
}
