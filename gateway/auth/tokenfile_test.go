package auth_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/auth"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestTokenFileModes checks that a file that other users may write is refused, because they could make themselves
// admins. A file that every user may read is complained about.
func TestTokenFileModes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	check(t, os.WriteFile(path, []byte("a viewer sha256:"+strings.Repeat("0", 64)+"\n"), 0o600))
	for mode, want := range map[os.FileMode]string{0o600: "opened", 0o400: "opened", 0o640: "opened", 0o644: "warned",
		0o620: "refused", 0o602: "refused", 0o666: "refused"} {
		check(t, os.Chmod(path, mode))
		var log bytes.Buffer
		f, err := auth.OpenTokenFile(path, hclog.New(&hclog.LoggerOptions{Output: &log}))
		got := "opened"
		switch {
		case err != nil:
			got = "refused"
		case strings.Contains(log.String(), "everybody can read"):
			got = "warned"
		}
		if got != want {
			t.Errorf("%#o: %s; expected %s: %v", mode, got, want, err)
		}
		if err == nil {
			f.Close()
		}
	}
	pipe := filepath.Join(t.TempDir(), "pipe")
	check(t, syscall.Mkfifo(pipe, 0o600))
	// Opening a pipe without a writer never ends.
	for _, path := range []string{filepath.Join(t.TempDir(), "none"), t.TempDir(), pipe} {
		if _, err := auth.OpenTokenFile(path, nil); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
