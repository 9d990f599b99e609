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

// TokenVersion is the first byte of a page token, which says what the token is of.
type TokenVersion byte

// The versions of page tokens. A token of one is refused where another is expected.
const (
	TokenOfConnections      TokenVersion = 1 // of one node
	TokenOfBans             TokenVersion = 2 // of one node
	TokenOfFleetConnections TokenVersion = 3
	TokenOfFleetBans        TokenVersion = 4
)

// Bind returns what a page token and the request that it is used in must have in common: it is of the request's text.
func Bind(text string) [BindingSize]byte {
	sum := sha256.Sum256([]byte(text))
	return [BindingSize]byte(sum[:])
}

// SealToken encodes a page token: base64url of version, body and checksum. The checksum is no secret: it tells a token
// that was cut or changed on its way from a whole one, which would otherwise go on silently at another place.
func SealToken(v TokenVersion, body []byte) string {
	b := append([]byte{byte(v)}, body...)
	return base64.RawURLEncoding.EncodeToString(append(b, checksum(b)...))
}

// OpenToken returns the body of a page token of at most limit bytes; not ok when SealToken did not make it of this
// version.
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
