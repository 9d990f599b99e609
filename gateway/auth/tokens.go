package auth

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"time"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const (
	maxTokens     = 10_000
	maxTokenBytes = 1 << 20 // of a token file
	hashScheme    = "sha256:"
	expiryScheme  = "expires:"
)

// tokenForm is what a token looks like: 32 random bytes in unpadded base64url behind a prefix that scanners for secrets
// can find.
var tokenForm = regexp.MustCompile(`^sgt_[A-Za-z0-9_-]{43}$`)

// tokenName is what the name of a token looks like.
var tokenName = regexp.MustCompile(`^[a-z0-9._-]{1,63}$`)

// Token is a line of a token file. The token itself is not in it: whoever reads the file cannot call the gateway.
type Token struct {
	Name    string
	Role    pb.Role
	Hash    [sha256.Size]byte // of the whole token's text
	Expires time.Time         // zero: never
}

// ParseTokens reads a token file: one token a line, `NAME ROLE sha256:HEX [expires:RFC3339]`, separated by spaces or
// tabs. Empty lines and those that begin with # are ignored. A name, and a hash, may be there once; at most 10,000
// tokens and 1 MiB. The error names the first line that is wrong, and repeats nothing of it that could be a token.
func ParseTokens(text []byte) ([]Token, error) {
	if len(text) > maxTokenBytes {
		return nil, fmt.Errorf("%d bytes; expected at most %d", len(text), maxTokenBytes)
	}
	var tokens []Token
	names, hashes := make(map[string]int), make(map[[sha256.Size]byte]int)
	number := 0
	for line := range bytes.Lines(text) {
		number++
		fields := strings.FieldsFunc(strings.TrimRight(string(line), "\r\n"), func(r rune) bool { return r == ' ' || r == '\t' })
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		t, err := parseToken(fields)
		switch {
		case err != nil:
			return nil, fmt.Errorf("line %d: %w", number, err)
		case names[t.Name] > 0:
			return nil, fmt.Errorf("line %d: the name %q is in line %d already; expected each name once", number, t.Name, names[t.Name])
		case hashes[t.Hash] > 0:
			return nil, fmt.Errorf("line %d: the hash is in line %d already; expected each token once", number, hashes[t.Hash])
		case len(tokens) == maxTokens:
			return nil, fmt.Errorf("line %d: more than %d tokens, which is the most", number, maxTokens)
		}
		names[t.Name], hashes[t.Hash] = number, number
		tokens = append(tokens, t)
	}
	return tokens, nil
}

// parseToken reads the fields of a line.
func parseToken(fields []string) (Token, error) {
	if len(fields) < 3 || len(fields) > 4 {
		return Token{}, fmt.Errorf("%d fields; expected NAME ROLE %sHEX and perhaps %sTIME", len(fields), hashScheme, expiryScheme)
	}
	if !tokenName.MatchString(fields[0]) || tokenForm.MatchString(fields[0]) { // names are logged
		return Token{}, fmt.Errorf("the name is malformed; expected 1 to 63 of a-z, 0-9, '.', '_' and '-'")
	}
	t := Token{Name: fields[0]}
	var err error
	if t.Role, err = ParseRole(fields[1]); err != nil {
		return Token{}, fmt.Errorf("the role of %s is malformed; expected viewer, operator or admin", t.Name)
	}
	digits, isHash := strings.CutPrefix(fields[2], hashScheme)
	if n, err := hex.Decode(t.Hash[:], []byte(digits[:min(len(digits), 2*sha256.Size)])); !isHash || err != nil || n != sha256.Size ||
		len(digits) != 2*sha256.Size || digits != strings.ToLower(digits) {
		return Token{}, fmt.Errorf("the hash of %s is malformed; expected %s and 64 lower-case hexadecimal digits", t.Name, hashScheme)
	}
	if len(fields) == 4 {
		when, isExpiry := strings.CutPrefix(fields[3], expiryScheme)
		if t.Expires, err = time.Parse(time.RFC3339, when); !isExpiry || err != nil {
			return Token{}, fmt.Errorf("the expiry of %s is malformed; expected for example %s2027-01-31T12:00:00Z", t.Name, expiryScheme)
		}
	}
	return t, nil
}
