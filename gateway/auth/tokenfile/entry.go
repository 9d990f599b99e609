package tokenfile

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

const (
	hashScheme   = "sha256:"
	expiryScheme = "expires:"
)

// Entry is a line of a token file.
type Entry struct {
	Name    string            // see IsName
	Role    string            // see IsRole
	Hash    [sha256.Size]byte // of the token: see Hash
	Expires time.Time         // zero: never
	Line    int               // in the file, from 1; 0 for an entry that is not from a file
}

// String returns the entry as a line of a file, without the line end.
func (e Entry) String() string {
	text := fmt.Sprintf("%s %s %s%x", e.Name, e.Role, hashScheme, e.Hash)
	if !e.Expires.IsZero() {
		text += " " + expiryScheme + e.Expires.Format(time.RFC3339Nano)
	}
	return text
}

// parseLine reads the fields of a line. The error has no line number yet.
func parseLine(fields []string) (Entry, *Error) {
	if len(fields) < 3 || len(fields) > 4 {
		return Entry{}, &Error{Problem: WrongFields, Fields: len(fields)}
	}
	e := Entry{Name: fields[0], Role: fields[1]}
	if !IsName(e.Name) {
		return Entry{}, &Error{Problem: WrongName}
	}
	if !IsRole(e.Role) {
		return Entry{}, &Error{Problem: WrongRole, Name: e.Name}
	}
	if !e.parseHash(fields[2]) {
		return Entry{}, &Error{Problem: WrongHash, Name: e.Name}
	}
	if len(fields) == 4 && !e.parseExpiry(fields[3]) {
		return Entry{}, &Error{Problem: WrongExpiry, Name: e.Name}
	}
	return e, nil
}

func (e *Entry) parseHash(field string) bool {
	digits, ok := strings.CutPrefix(field, hashScheme)
	if !ok || len(digits) != hex.EncodedLen(sha256.Size) || digits != strings.ToLower(digits) {
		return false
	}
	_, err := hex.Decode(e.Hash[:], []byte(digits))
	return err == nil
}

func (e *Entry) parseExpiry(field string) bool {
	when, ok := strings.CutPrefix(field, expiryScheme)
	var err error
	e.Expires, err = time.Parse(time.RFC3339, when)
	return ok && err == nil
}
