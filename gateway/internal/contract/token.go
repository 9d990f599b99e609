package contract

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

const (
	// BindingSize is the length of a binding in bytes.
	BindingSize = 8
	// ChecksumSize is the length of a token's checksum in bytes.
	ChecksumSize = 8
)

// TokenVersion is the first byte of a page token. It tells the kinds of tokens apart.
type TokenVersion byte

// Versions of page tokens. A token of one version is refused where another is expected.
const (
	TokenOfConnections      TokenVersion = 1 // of one node
	TokenOfBans             TokenVersion = 2 // of one node
	TokenOfFleetConnections TokenVersion = 3
	TokenOfFleetBans        TokenVersion = 4
)

// Bind returns a hash of text, the part of a request that must stay equal throughout a walk. A page token contains it.
func Bind(text string) [BindingSize]byte {
	sum := sha256.Sum256([]byte(text))
	return [BindingSize]byte(sum[:])
}

// SealToken encodes a page token: base64url of version, body and checksum. The checksum is no secret. It detects a
// token that was cut or altered on its way, which would otherwise continue silently at another place.
func SealToken(v TokenVersion, body []byte) string {
	b := append([]byte{byte(v)}, body...)
	return base64.RawURLEncoding.EncodeToString(append(b, checksum(b)...))
}

// OpenToken returns the body of a page token of at most limit bytes. It is not ok unless SealToken made the token with
// this version.
func OpenToken(s string, v TokenVersion, limit int) (body []byte, ok bool) {
	if len(s) > limit || strings.ContainsAny(s, "\r\n") { // the decoder would ignore line ends
		return nil, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) < 1+ChecksumSize || b[0] != byte(v) {
		return nil, false
	}
	b, sum := b[:len(b)-ChecksumSize], b[len(b)-ChecksumSize:]
	return b[1:], bytes.Equal(sum, checksum(b))
}

func checksum(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:ChecksumSize]
}
