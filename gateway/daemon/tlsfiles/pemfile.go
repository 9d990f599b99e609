package tlsfiles

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
)

// Types of PEM blocks. All types of private keys end in pemKey.
const (
	pemCertificate  = "CERTIFICATE"
	pemKey          = "PRIVATE KEY"
	pemEncryptedKey = "ENCRYPTED PRIVATE KEY"
)

// pemBlocks returns the PEM blocks of a file. It returns an error for a block that is cut short.
func pemBlocks(path string, data []byte) ([]*pem.Block, error) {
	var blocks []*pem.Block
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			break
		}
		blocks, data = append(blocks, block), rest
	}
	if bytes.Contains(data, []byte("-----BEGIN ")) {
		return nil, fmt.Errorf("%s is cut short or damaged: a PEM block begins in it and is not whole", path)
	}
	return blocks, nil
}

// certificatesIn returns the certificates of a file, at least one. The error says what the file contains instead.
func certificatesIn(path string, data []byte) ([]*x509.Certificate, error) {
	blocks, err := pemBlocks(path, data)
	if err != nil {
		return nil, err
	}
	var found []*x509.Certificate
	keys := 0
	for _, b := range blocks {
		switch {
		case b.Type == pemCertificate:
			c, err := x509.ParseCertificate(b.Bytes)
			if err != nil {
				return nil, fmt.Errorf("certificate %d in %s is damaged: %w", len(found)+1, path, err)
			}
			found = append(found, c)
		case strings.HasSuffix(b.Type, pemKey):
			keys++
		}
	}
	switch {
	case len(found) > 0:
		return found, nil
	case keys > 0:
		return nil, fmt.Errorf("%s has a private key and no certificate: were two files swapped?", path)
	}
	return nil, fmt.Errorf("%s has no certificate: expected PEM, which begins with -----BEGIN CERTIFICATE-----", path)
}

// checkKey checks that a file has a private key that is not encrypted.
func checkKey(path string, data []byte) error {
	blocks, err := pemBlocks(path, data)
	if err != nil {
		return err
	}
	certificates := 0
	for _, b := range blocks {
		switch {
		case b.Type == pemEncryptedKey || strings.HasSuffix(b.Type, pemKey) && b.Headers["DEK-Info"] != "":
			return fmt.Errorf("the private key in %s is encrypted, and the gateway cannot ask for its passphrase: decrypt it, "+
				"for example with openssl pkey -in OLD -out NEW", path)
		case strings.HasSuffix(b.Type, pemKey):
			return nil
		case b.Type == pemCertificate:
			certificates++
		}
	}
	if certificates > 0 {
		return fmt.Errorf("%s has a certificate and no private key: were two files swapped?", path)
	}
	return fmt.Errorf("%s has no private key: expected PEM, which begins with -----BEGIN PRIVATE KEY-----", path)
}
