// Package token makes the tokens of tests. A name has the same token in every run.
package token

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
)

// Of returns the token of a name.
func Of(name string) string {
	secret := sha256.Sum256([]byte("a token for tests: " + name))
	return "sgt_" + base64.RawURLEncoding.EncodeToString(secret[:])
}

// HashOf returns the hash that a token file has for the token of a name.
func HashOf(name string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(Of(name)))) }

// Header is an authorization header for every call of a gRPC connection.
type Header string

// Bearer returns the header that has a token.
func Bearer(token string) Header { return Header("Bearer " + token) }

// GetRequestMetadata returns the header.
func (h Header) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": string(h)}, nil
}

// RequireTransportSecurity returns false, so that tests can send the header in plain text too.
func (Header) RequireTransportSecurity() bool { return false }
