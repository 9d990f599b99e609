package local

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/sockgate/sockgate/ctl/internal/app"
)

// The bounds of a token file, which are the gateway's.
const (
	maxTokenFile = 1 << 20
	maxTokens    = 10_000
	tokenPrefix  = "sgt_"
	tokenBytes   = 32 // random ones
)

// tokenRoles are the roles that a token can have, from the least on.
func tokenRoles() []string { return []string{"viewer", "operator", "admin"} }

// tokenEntry is one line of a token file: `NAME ROLE sha256:HEX [expires:RFC3339]`.
type tokenEntry struct {
	Name    string     `json:"name"`
	Role    string     `json:"role"`
	Expires *time.Time `json:"expires"` // nil: never

	hash string // SHA-256 of the whole token, in hex
	line int    // where in the file, from 0
}

// newToken makes a token and the hash that stands for it in the file.
func newToken() (token, hash string) {
	var secret [tokenBytes]byte
	_, _ = rand.Read(secret[:]) // never fails
	token = tokenPrefix + base64.RawURLEncoding.EncodeToString(secret[:])
	sum := sha256.Sum256([]byte(token))
	return token, hex.EncodeToString(sum[:])
}

// text is the entry as a line, without its end.
func (e *tokenEntry) text() string {
	text := fmt.Sprintf("%s %s sha256:%s", e.Name, e.Role, e.hash)
	if e.Expires != nil {
		text += " expires:" + e.Expires.Format(time.RFC3339)
	}
	return text
}

// tokenFile is a token file as it was read: its lines, comments included, and what they mean.
type tokenFile struct {
	lines   []string // with their ends
	entries []*tokenEntry
}

// find returns the entry of that name; nil if there is none.
func (f *tokenFile) find(name string) *tokenEntry {
	i := slices.IndexFunc(f.entries, func(e *tokenEntry) bool { return e.Name == name })
	if i < 0 {
		return nil
	}
	return f.entries[i]
}

// add appends an entry; all other lines stay as they are.
func (f *tokenFile) add(e *tokenEntry) {
	if n := len(f.lines); n > 0 && !strings.HasSuffix(f.lines[n-1], "\n") {
		f.lines[n-1] += "\n"
	}
	f.lines = append(f.lines, e.text()+"\n")
	f.entries = append(f.entries, e)
}

// remove takes an entry's line away.
func (f *tokenFile) remove(e *tokenEntry) { f.lines = slices.Delete(f.lines, e.line, e.line+1) }

// bytes is the file as it is to be written.
func (f *tokenFile) bytes() []byte { return []byte(strings.Join(f.lines, "")) }

// readTokenFile reads a token file. One that does not exist is an error that fs.ErrNotExist is in.
func readTokenFile(a *app.App, path string) (*tokenFile, error) {
	data, err := app.ReadFileBounded(path, maxTokenFile)
	if err != nil {
		return nil, err
	}
	a.WarnMode(path, 0o026) // whose group may read it: the gateway's
	f, err := parseTokens(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// parseTokens reads what a token file has, just as the gateway does: one bad line, and the whole file is refused.
func parseTokens(data []byte) (*tokenFile, error) {
	f := &tokenFile{}
	names, hashes := map[string]bool{}, map[string]bool{}
	for line := range bytes.Lines(data) {
		f.lines = append(f.lines, string(line))
	}
	for i, line := range f.lines {
		fields := strings.FieldsFunc(strings.TrimRight(line, "\r\n"), func(r rune) bool { return r == ' ' || r == '\t' })
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		e, err := parseToken(fields)
		switch {
		case err != nil:
		case names[e.Name], hashes[e.hash]:
			err = fmt.Errorf("the name or the token of %s is there twice", e.Name)
		case len(f.entries) == maxTokens:
			err = fmt.Errorf("more than %d tokens, which is the most", maxTokens)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		names[e.Name], hashes[e.hash] = true, true
		e.line = i
		f.entries = append(f.entries, e)
	}
	return f, nil
}

// parseToken reads the fields of one line. Its errors do not repeat a field that could be a token by mistake.
func parseToken(fields []string) (*tokenEntry, error) {
	if len(fields) < 3 || len(fields) > 4 {
		return nil, fmt.Errorf("expected NAME ROLE sha256:HEX [expires:TIME], found %s", app.Plural(uint64(len(fields)), "field"))
	}
	e := &tokenEntry{Name: fields[0], Role: fields[1]}
	hash, isHash := strings.CutPrefix(fields[2], "sha256:")
	e.hash = hash
	switch {
	case !isTokenName(e.Name):
		return nil, errors.New("the name is not 1 to 63 of a-z, 0-9, dot, underscore and dash, or looks like a token")
	case !slices.Contains(tokenRoles(), e.Role):
		return nil, fmt.Errorf("the role of %s is not one of %s", e.Name, strings.Join(tokenRoles(), ", "))
	case !isHash || !isTokenHash(hash):
		return nil, fmt.Errorf("the hash of %s is not sha256: and 64 lower-case hex digits", e.Name)
	case len(fields) == 3:
		return e, nil
	}
	text, ok := strings.CutPrefix(fields[3], "expires:")
	expires, err := time.Parse(time.RFC3339, text)
	if !ok || err != nil {
		return nil, fmt.Errorf("the last field of %s is not expires: and a time such as 2027-01-31T12:00:00Z", e.Name)
	}
	e.Expires = &expires
	return e, nil
}

// tokenLength is how long a token is.
var tokenLength = len(tokenPrefix) + base64.RawURLEncoding.EncodedLen(tokenBytes)

// isTokenName says whether a token can be called so: 1 to 63 of a-z, 0-9, dot, underscore and dash, and not what could be a token itself,
// because names are logged.
func isTokenName(name string) bool {
	if strings.HasPrefix(name, tokenPrefix) && len(name) == tokenLength && !strings.Contains(name, ".") {
		return false
	}
	return name != "" && len(name) <= 63 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == ""
}

// isTokenHash says whether it is a SHA-256 in lower-case hex digits.
func isTokenHash(hash string) bool {
	return len(hash) == 2*sha256.Size && strings.Trim(hash, "0123456789abcdef") == ""
}

// changeTokens reads the file, lets change work on it, and writes it again, unless change fails. A new file is its owner's alone.
func changeTokens(a *app.App, path string, change func(*tokenFile) error) error {
	edit, err := app.BeginEdit(path)
	if err != nil {
		return err
	}
	defer edit.Abandon()
	f, err := readTokenFile(a, path)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = &tokenFile{}, nil
	}
	if err != nil {
		return err
	}
	if err := change(f); err != nil {
		return err
	}
	if data := f.bytes(); len(f.entries) <= maxTokens && len(data) <= maxTokenFile {
		return edit.Commit(data, edit.ModeOr(0o600))
	}
	return fmt.Errorf("%s would have more than %d tokens or %s, and the gateway would refuse it; remove some first", path, maxTokens, app.HumanBytes(maxTokenFile))
}
