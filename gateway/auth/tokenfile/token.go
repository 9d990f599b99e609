package tokenfile

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"regexp"
)

// prefix is the beginning of every token, so that scanners for secrets can find tokens.
const prefix = "sgt_"

// secretBytes is the size of a token's secret.
const secretBytes = 32

var (
	tokenForm = regexp.MustCompile(`^` + prefix + `[A-Za-z0-9_-]{43}$`)
	nameForm  = regexp.MustCompile(`^[a-z0-9._-]{1,63}$`)
)

// NewToken returns a new token: `sgt_` and 32 random bytes in unpadded base64url, 47 characters in all.
func NewToken() string {
	var secret [secretBytes]byte
	_, _ = rand.Read(secret[:]) // never fails
	return prefix + base64.RawURLEncoding.EncodeToString(secret[:])
}

// IsToken reports whether a text has the form of a token.
func IsToken(text string) bool { return tokenForm.MatchString(text) }

// Hash returns the SHA-256 of a token's whole text, which a file has in place of the token.
func Hash(token string) [sha256.Size]byte { return sha256.Sum256([]byte(token)) }

// IsName reports whether a text can be the name of a token: 1 to 63 of a-z, 0-9, dot, underscore and dash. Names are
// logged, so a text that could be a token by mistake is not a name.
func IsName(text string) bool { return nameForm.MatchString(text) && !IsToken(text) }
