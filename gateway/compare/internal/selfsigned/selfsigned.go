// Package selfsigned makes a throw-away certificate for the servers of a comparison. Only their load trusts it.
package selfsigned

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// Pair is a certificate with its key for the name localhost: ECDSA on P-256, as most servers have today.
type Pair struct {
	CertFile string      // PEM
	KeyFile  string      // PEM, readable only by its owner
	Client   *tls.Config // for clients: TLS 1.3 with Go's defaults, no resumption; must not be modified
}

// Make makes a pair that is valid for a day, and writes its two files into a folder.
func Make(dir string) (*Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: serverName}, DNSNames: []string{serverName},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("making a certificate: %w", err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("making a certificate: %w", err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	p := &Pair{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
	if err := write(p.CertFile, "CERTIFICATE", der); err != nil {
		return nil, err
	}
	if err := write(p.KeyFile, "PRIVATE KEY", secret); err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(made)
	p.Client = &tls.Config{RootCAs: roots, ServerName: serverName, MinVersion: tls.VersionTLS13}
	return p, nil
}

// serverName is the name that the certificate is for.
const serverName = "localhost"

// write writes one PEM block into a file.
func write(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
