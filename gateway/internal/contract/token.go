package contract

import "crypto/sha256"

const (
	// BindingSize is the bytes of a page token that bind it to the request that began the walk.
	BindingSize = 8
	// ChecksumSize is the bytes at the end of a page token that tell a damaged token from a whole one.
	ChecksumSize = 8
)

// Checksum returns the ChecksumSize bytes that a token with the content b ends with. It is no secret and no signature: a
// caller can compute it.
func Checksum(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:ChecksumSize]
}
