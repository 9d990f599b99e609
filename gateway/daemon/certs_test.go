package daemon_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// authority is a CA with a directory for the files that it issues.
type authority struct {
	t    testing.TB
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// newAuthority makes a CA. Its certificate is in ca.pem of its directory.
func newAuthority(t testing.TB) *authority {
	t.Helper()
	ca := &authority{t: t, dir: t.TempDir()}
	ca.cert, ca.key = ca.sign(x509.Certificate{Subject: pkix.Name{CommonName: "CA"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	ca.put("ca.pem", "CERTIFICATE", ca.cert.Raw)
	return ca
}

// sign makes a certificate of a new key. The first certificate is the CA's own.
func (ca *authority) sign(template x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	ca.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(ca.t, err)
	template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62))
	check(ca.t, err)
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(30*24*time.Hour)
	parent, signer := &template, key
	if ca.cert != nil {
		parent, signer = ca.cert, ca.key
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, parent, &key.PublicKey, signer)
	check(ca.t, err)
	cert, err := x509.ParseCertificate(der)
	check(ca.t, err)
	return cert, key
}

// put writes a file whole, in place of an existing one, and returns its path.
func (ca *authority) put(name, kind string, der []byte) string {
	ca.t.Helper()
	path := filepath.Join(ca.dir, name)
	check(ca.t, os.WriteFile(path+".new", pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	check(ca.t, os.Rename(path+".new", path))
	return path
}

// server issues a server's certificate into two files. The common name tells it from others with the same DNS name.
func (ca *authority) server(file, common, name string) (cert, key string) {
	ca.t.Helper()
	c, k := ca.sign(x509.Certificate{Subject: pkix.Name{CommonName: common}, DNSNames: []string{name},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	der, err := x509.MarshalPKCS8PrivateKey(k)
	check(ca.t, err)
	return ca.put(file+".pem", "CERTIFICATE", c.Raw), ca.put(file+".key", "PRIVATE KEY", der)
}

// client issues a client's certificate.
func (ca *authority) client(common string) tls.Certificate {
	ca.t.Helper()
	c, k := ca.sign(x509.Certificate{Subject: pkix.Name{CommonName: common},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: k}
}

// trusted returns a client's configuration that trusts this CA, with the client's own certificates if any are given.
func (ca *authority) trusted(name string, own ...tls.Certificate) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return &tls.Config{ServerName: name, RootCAs: pool, Certificates: own}
}
