package tlsfiles

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"
)

// certificate is a loaded certificate with its key.
type certificate struct {
	pair Pair
	tls  tls.Certificate // with its Leaf
	mode fs.FileMode     // of the key's file
}

// loadCertificate makes a certificate from its two files. The error names the file and says what to do.
func loadCertificate(pair Pair, s snapshot) (*certificate, error) {
	cert, key := s[pair.Cert], s[pair.Key]
	if cert.err != nil {
		return nil, cert.err
	}
	if key.err != nil {
		return nil, key.err
	}
	if _, err := certificatesIn(pair.Cert, cert.data); err != nil {
		return nil, err
	}
	if err := checkKey(pair.Key, key.data); err != nil {
		return nil, err
	}
	made, err := tls.X509KeyPair(cert.data, key.data) // its errors contain nothing of the key
	if err != nil && strings.Contains(err.Error(), "does not match") {
		return nil, fmt.Errorf("the private key in %s does not belong to the first certificate in %s: expected the "+
			"server's own certificate first, and its key", pair.Key, pair.Cert)
	}
	if err != nil {
		return nil, fmt.Errorf("the certificate in %s with the private key in %s: %w", pair.Cert, pair.Key, err)
	}
	return &certificate{pair: pair, tls: made, mode: key.info.Mode()}, nil
}

// expired reports whether clients refuse the certificate because of its age.
func (c *certificate) expired(now time.Time) bool { return now.After(c.tls.Leaf.NotAfter) }

// same reports whether clients would get the same chain from both certificates.
func (c *certificate) same(other *certificate) bool {
	return slices.EqualFunc(c.tls.Certificate, other.tls.Certificate, bytes.Equal)
}

// maxNames is how many names of a certificate are logged.
const maxNames = 8

// fields describes the certificate for the log.
func (c *certificate) fields() []any {
	leaf := c.tls.Leaf
	names := slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	for _, uri := range leaf.URIs {
		names = append(names, uri.String())
	}
	if more := len(names) - maxNames; more > 0 {
		names = append(names[:maxNames], fmt.Sprintf("and %d more", more))
	}
	return []any{"file", c.pair.Cert, "subject", leaf.Subject.String(), "names", strings.Join(names, " "), "expires",
		dated(leaf.NotAfter)}
}

// dated formats a time for the log.
func dated(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// othersRead is the bit of a file's mode that lets every user of the machine read it.
const othersRead = 0o004

// exposed reports whether every user of the machine may read the key. Windows has no such modes.
func (c *certificate) exposed() bool { return os.PathSeparator == '/' && c.mode&othersRead != 0 }
