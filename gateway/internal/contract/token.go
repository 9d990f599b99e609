package contract

import (
	"crypto/sha256"
)

const (
	BindingSize  = 8
	ChecksumSize = 8
)

func Checksum(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:ChecksumSize]
}
