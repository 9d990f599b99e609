package control_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc/metadata"

	"github.com/sockgate/sockgate/gateway/auth"
)

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

// bearing returns the context of a call that carries a token.
func bearing(ctx context.Context, token string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
}

// tokenFile is a token file that a test writes.
type tokenFile struct {
	*auth.TokenFile
	t    testing.TB
	path string
}

func writeTokens(t testing.TB, path string, lines ...string) {
	t.Helper()
	next := path + ".new"
	check(t, os.WriteFile(next, []byte(strings.Join(lines, "")), 0o600))
	check(t, os.Rename(next, path))
}

func openTokens(t testing.TB, logger hclog.Logger, lines ...string) tokenFile {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tokens")
	writeTokens(t, path, lines...)
	f, err := auth.OpenTokenFile(path, logger)
	check(t, err)
	t.Cleanup(f.Close)
	return tokenFile{f, t, path}
}

// become replaces the file's lines, and reads it at once.
func (f tokenFile) become(lines ...string) {
	f.t.Helper()
	writeTokens(f.t, f.path, lines...)
	check(f.t, f.Reload())
}
