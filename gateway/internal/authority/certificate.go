package authority

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
)

// Certificate is a certificate with its key. It must not be modified.
type Certificate struct {
	X509 *x509.Certificate
	Key  crypto.Signer // private
}

// TLS returns the certificate in the form of crypto/tls.
func (c *Certificate) TLS() tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{c.X509.Raw}, PrivateKey: c.Key, Leaf: c.X509}
}

// CertPEM returns the certificate as the content of a file.
func (c *Certificate) CertPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.X509.Raw})
}

// KeyPEM returns the key as the content of a file, in PKCS #8.
func (c *Certificate) KeyPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(c.Key))})
}

// Write writes the certificate to NAME.pem and the key to NAME.key in a directory, in this order, and returns both
// paths.
func (c *Certificate) Write(t testing.TB, dir, name string) (cert, key string) {
	t.Helper()
	return c.WriteCert(t, dir, name), replace(t, filepath.Join(dir, name+".key"), c.KeyPEM())
}

// WriteCert writes the certificate to NAME.pem in a directory, without the key, and returns the path.
func (c *Certificate) WriteCert(t testing.TB, dir, name string) string {
	t.Helper()
	return replace(t, filepath.Join(dir, name+".pem"), c.CertPEM())
}

// replace writes a file whole, in place of an existing one, because a program under test may read it at any time.
func replace(t testing.TB, path string, data []byte) string {
	t.Helper()
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	return path
}
