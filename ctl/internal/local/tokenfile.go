package local

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/fileedit"
	"github.com/sockgate/sockgate/ctl/internal/units"
	"github.com/sockgate/sockgate/gateway/auth/tokenfile"
)

// The bounds of a token file.
const (
	maxTokenFile = tokenfile.MaxBytes
	maxTokens    = tokenfile.MaxTokens
)

// tokenRoles are the roles that are ordered, from the least on. A token can also have the role of a remote handler.
func tokenRoles() []string { return tokenfile.Roles() }

// tokenEntry is one line of a token file, as json and yaml print it.
type tokenEntry struct {
	Name    string     `json:"name"`
	Role    string     `json:"role"`
	Expires *time.Time `json:"expires"` // nil: never

	entry tokenfile.Entry
}

func newTokenEntry(e tokenfile.Entry) *tokenEntry {
	shown := &tokenEntry{Name: e.Name, Role: e.Role, entry: e}
	if !e.Expires.IsZero() {
		shown.Expires = &e.Expires
	}
	return shown
}

// tokenFile is a token file as it was read: its lines, comments included, and their entries.
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
	f.lines = append(f.lines, e.entry.String()+"\n")
	f.entries = append(f.entries, e)
}

// remove takes an entry's line away.
func (f *tokenFile) remove(e *tokenEntry) {
	f.lines = slices.Delete(f.lines, e.entry.Line-1, e.entry.Line)
}

// bytes is the file as it is to be written.
func (f *tokenFile) bytes() []byte { return []byte(strings.Join(f.lines, "")) }

// readTokenFile reads a token file. One that does not exist is an error that fs.ErrNotExist is in.
func readTokenFile(a *app.App, path string) (*tokenFile, error) {
	data, err := app.ReadFileBounded(path, maxTokenFile)
	if err != nil {
		return nil, err
	}
	a.WarnMode(path, 0o026) // a group may read it: it can be the gateway's
	f, err := parseTokens(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// parseTokens reads the contents of a token file just as the gateway does: one bad line makes it refuse the whole file.
func parseTokens(data []byte) (*tokenFile, error) {
	entries, err := tokenfile.Parse(data)
	var wrong *tokenfile.Error
	if errors.As(err, &wrong) && wrong.Line > 0 {
		return nil, fmt.Errorf("line %d: %s", wrong.Line, tokenProblem(wrong))
	}
	if err != nil {
		return nil, err
	}
	f := &tokenFile{}
	for line := range bytes.Lines(data) {
		f.lines = append(f.lines, string(line))
	}
	for _, e := range entries {
		f.entries = append(f.entries, newTokenEntry(e))
	}
	return f, nil
}

// tokenProblem says what is wrong with a line. It does not repeat a field that could be a token by mistake.
func tokenProblem(e *tokenfile.Error) string {
	switch e.Problem {
	case tokenfile.WrongFields:
		return "expected NAME ROLE sha256:HEX [expires:TIME], found " + app.Plural(uint64(e.Fields), "field")
	case tokenfile.WrongName:
		return "the name is not 1 to 63 of a-z, 0-9, dot, underscore and dash, or looks like a token"
	case tokenfile.WrongRole:
		return fmt.Sprintf("the role of %s is not one of %s", e.Name, tokenfile.AnyRole)
	case tokenfile.WrongHash:
		return fmt.Sprintf("the hash of %s is not sha256: and 64 lower-case hex digits", e.Name)
	case tokenfile.WrongExpiry:
		return fmt.Sprintf("the last field of %s is not expires: and a time such as 2027-01-31T12:00:00Z", e.Name)
	case tokenfile.NameTwice, tokenfile.HashTwice:
		return fmt.Sprintf("the name or the token of %s is there twice", e.Name)
	default:
		return fmt.Sprintf("more than %d tokens, which is the most", maxTokens)
	}
}

// changeTokens reads the file, lets change work on it, and writes it again, unless change fails. A new file is its
// owner's alone.
func changeTokens(a *app.App, path string, change func(*tokenFile) error) error {
	edit, err := fileedit.Begin(path)
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
	return fmt.Errorf("%s would have more than %d tokens or %s, and the gateway would refuse it; remove some first", path,
		maxTokens, units.HumanBytes(maxTokenFile))
}
