//go:build unix

package daemon_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFilesThatOthersCanChange checks that the files that decide about callers and peers are refused if another user
// could write or replace them.
func TestFilesThatOthersCanChange(t *testing.T) {
	t.Parallel()
	for _, loose := range []string{"tokens", "key", "ca.pem", "folder"} {
		ca := newAuthority(t)
		cert, key := ca.server("server", "server", "localhost")
		tokens := filepath.Join(ca.dir, "tokens")
		check(t, os.WriteFile(tokens, []byte(tokenLine("a", "admin", strings.Repeat("t", 40))), 0o600))
		args := append([]string{"--control-token-file", tokens, "--tls-cert", cert, "--tls-key", key, "--tls-client-ca",
			ca.dir + "/ca.pem"}, loopback...)
		if code, _, stderr := run(nil, args...); code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		path, mode := filepath.Join(ca.dir, loose), os.FileMode(0o666)
		switch loose {
		case "key":
			path = key
		case "folder":
			path, mode = ca.dir, 0o777
		}
		check(t, os.Chmod(path, mode))
		code, _, stderr := run(nil, args...)
		if code != 2 || !strings.Contains(stderr, path) || !strings.Contains(stderr, "others may") ||
			!strings.Contains(stderr, "chmod") {
			t.Errorf("%s: exit %d: %s", loose, code, stderr)
		}
	}
}

// TestTokenFileGivenAway checks that a token file that others can replace from now on is not read again.
func TestTokenFileGivenAway(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	tokens := filepath.Join(folder, "tokens")
	check(t, os.WriteFile(tokens, []byte(tokenLine("a", "admin", strings.Repeat("t", 40))), 0o600))
	g := start(t, nil, "--control-token-file", tokens)
	check(t, os.Chmod(folder, 0o777))
	check(t, os.WriteFile(tokens, []byte(tokenLine("b", "admin", strings.Repeat("u", 40))), 0o600))
	g.log.await(t, 1, "the tokens of before stay")
	check(t, os.Chmod(folder, 0o700))
	g.log.await(t, 1, `"added":1,"revoked":1`)
}
