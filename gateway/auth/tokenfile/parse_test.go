package tokenfile_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sockgate/sockgate/gateway/auth/tokenfile"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// tokenOf returns a token that belongs to this name only.
func tokenOf(name string) string {
	sum := sha256.Sum256([]byte(name))
	return "sgt_" + hex.EncodeToString(sum[:])[:43]
}

// tokenLine is a line of a token file.
func tokenLine(name, role string, more ...string) string {
	sum := sha256.Sum256([]byte(tokenOf(name)))
	return strings.Join(append([]string{name, role, "sha256:" + hex.EncodeToString(sum[:])}, more...), " ") + "\n"
}

// TestParseTokens checks which token files are accepted. An error names the line, and repeats no text that could be a
// secret.
func TestParseTokens(t *testing.T) {
	good := tokenLine("a", "viewer")
	hash := strings.Fields(good)[2]
	for _, text := range []string{"", "\n\n", "# nothing\n  # nothing\n", good, strings.TrimSuffix(good, "\n"),
		"\t a \t viewer \t" + hash + "  \r\n",
		tokenLine("a", "viewer", "expires:2027-01-31T12:00:00Z"), tokenLine("a", "admin",
			"expires:2027-01-31T12:00:00.5+02:00"),
		good + "# between\n\n" + tokenLine("b", "operator") + tokenLine(strings.Repeat("n", 63), "admin"),
		tokenLine("a", "handler:chat"), tokenLine("a", "handler:"+strings.Repeat("-", 32))} {
		if _, err := tokenfile.Parse([]byte(text)); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	secret := tokenOf("secret")
	for _, c := range []struct{ text, says string }{
		{"a viewer\n", "line 1: 2 fields"},
		{good + "\n\na b c d e\n", "line 4: 5 fields"},
		{"A viewer " + hash, "line 1: the name"},
		{strings.Repeat("n", 64) + " viewer " + hash, "line 1: the name"},
		{secret + " viewer " + hash, "line 1: the name"},
		{"a Viewer " + hash, "line 1: the role of a"},
		{"a none " + hash, "line 1: the role of a"},
		{"a handler " + hash, "line 1: the role of a is malformed; expected viewer, operator, admin or handler:NAME"},
		{"a handler: " + hash, "line 1: the role of a"},
		{"a handler:Chat " + hash, "line 1: the role of a"},
		{"a handler:" + strings.Repeat("a", 33) + " " + hash, "line 1: the role of a"},
		{"a handler:" + secret + " " + hash, "line 1: the role of a"},
		{"a " + secret + " " + hash, "line 1: the role of a"},
		{"a viewer " + secret, "line 1: the hash of a"},
		{"a viewer " + hash[:len(hash)-1], "line 1: the hash of a"},
		{"a viewer " + hash + "0", "line 1: the hash of a"},
		{"a viewer " + strings.ToUpper(hash[:20]) + hash[20:], "line 1: the hash of a"},
		{"a viewer " + strings.TrimPrefix(hash, "sha256:"), "line 1: the hash of a"},
		{"a viewer " + hash + " expires:tomorrow", "line 1: the expiry of a"},
		{"a viewer " + hash + " 2027-01-31T12:00:00Z", "line 1: the expiry of a"},
		{"a viewer " + hash + " " + secret, "line 1: the expiry of a"},
		{good + tokenLine("a", "admin"), `line 2: the name "a" is in line 1`},
		{good + "b viewer " + hash, "line 2: the hash is in line 1"},
		{strings.Repeat("#\n", 1<<19) + "#", "expected at most 1048576"},
	} {
		tokens, err := tokenfile.Parse([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), secret) || tokens != nil {
			t.Errorf("%.100q: %v, %v; expected %q", c.text, tokens, err, c.says)
		}
	}
	var many strings.Builder
	for i := range 10_001 {
		if i == 10_000 {
			if tokens, err := tokenfile.Parse([]byte(many.String())); err != nil || len(tokens) != 10_000 {
				t.Errorf("%d tokens, %v", len(tokens), err)
			}
		}
		fmt.Fprintf(&many, "n%d viewer sha256:%064x\n", i, i)
	}
	if _, err := tokenfile.Parse([]byte(many.String())); err == nil || !strings.Contains(err.Error(), "line 10001") {
		t.Errorf("10,001 tokens: %v", err)
	}
}

// TestSharedTokenFiles checks that the gateway reads or refuses the test files that it shares with ctl, as their
// directory says. ctl/internal/cli tests the same files.
func TestSharedTokenFiles(t *testing.T) {
	for kind, good := range map[string]bool{"good": true, "bad": false} {
		files, err := filepath.Glob(filepath.Join("testdata", "tokens", kind, "*"))
		if check(t, err); len(files) == 0 {
			t.Errorf("no %s files", kind)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			check(t, err)
			if _, err := tokenfile.Parse(text); (err == nil) != good {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
}

// FuzzTokenFile checks that any file is read or refused. A file that is read has each name and each hash once, with a
// role.
func FuzzTokenFile(f *testing.F) {
	f.Add([]byte(tokenLine("ops", "operator") + "# comment\n\n" +
		tokenLine("ci", "viewer", "expires:2027-01-31T12:00:00Z") + tokenLine("be", "handler:chat")))
	f.Fuzz(func(t *testing.T, text []byte) {
		tokens, err := tokenfile.Parse(text)
		if err != nil {
			if tokens != nil || strings.Contains(err.Error(), "sgt_") {
				t.Errorf("%v, %v", tokens, err)
			}
			return
		}
		names, hashes := make(map[string]bool), make(map[[32]byte]bool)
		for _, token := range tokens {
			if names[token.Name] || hashes[token.Hash] || !tokenfile.IsRole(token.Role) ||
				token.Name == "" || len(token.Name) > 63 {
				t.Errorf("%+v in %q", token, text)
			}
			names[token.Name], hashes[token.Hash] = true, true
		}
		// The entries can be written again, and read back equal.
		var again strings.Builder
		for _, token := range tokens {
			again.WriteString(token.String())
			again.WriteString("\n")
		}
		reread, err := tokenfile.Parse([]byte(again.String()))
		if err != nil || len(reread) != len(tokens) {
			t.Fatalf("%q reads as %d tokens, %v; expected %d", again.String(), len(reread), err, len(tokens))
		}
		for i := range tokens {
			if a, b := tokens[i], reread[i]; a.Name != b.Name || a.Role != b.Role || a.Hash != b.Hash ||
				!a.Expires.Equal(b.Expires) {
				t.Errorf("%+v reads as %+v", a, b)
			}
		}
	})
}
