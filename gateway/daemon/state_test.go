package daemon_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sockgate/sockgate/gateway/daemon"
)

// TestStateDir checks that the state directory is created for its owner alone, and that bans are kept in it.
func TestStateDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lib", "gateway")
	config, err := daemon.ServerConfig(t, "--listen", ":1", "--state-dir", dir)
	check(t, err)
	info, err := os.Stat(dir)
	check(t, err)
	if config.BanFile != filepath.Join(dir, "bans.json") || info.Mode().Perm() != 0o700 {
		t.Error(config.BanFile, info.Mode())
	}
	if config, err := daemon.ServerConfig(t, "--listen", ":1"); err != nil || config.BanFile != "" {
		t.Error(config.BanFile, err)
	}
}

// TestStateFromSystemd checks that the directory that systemd made is used, unless another is named. In both cases the
// log says nothing about lost bans.
func TestStateFromSystemd(t *testing.T) {
	for _, c := range []struct{ setting, want string }{{"", "systemd"}, {"SOCKGATE_STATE_DIR=", "own"}} {
		dir := t.TempDir()
		environ := []string{"STATE_DIRECTORY=" + filepath.Join(dir, "systemd") + ":" + filepath.Join(dir, "second")}
		if c.setting != "" {
			environ = append(environ, c.setting+filepath.Join(dir, "own"))
		}
		code, _, stderr := run(environ, loopback...)
		if code != 0 || strings.Contains(stderr, "bans do not survive") {
			t.Errorf("exit %d, %s", code, stderr)
		}
		if made, err := os.ReadDir(dir); err != nil || len(made) != 1 || made[0].Name() != c.want {
			t.Errorf("%v, %v; expected %s", made, err, c.want)
		}
	}
}

// TestBadStateDir checks that a state directory that cannot be used is refused with a sentence that names it.
func TestBadStateDir(t *testing.T) {
	file, open := write(t, "x"), t.TempDir()
	check(t, os.Chmod(open, 0o777))
	for dir, want := range map[string]string{file: "not a directory", filepath.Join(file, "below"): "not a directory",
		open: "everybody on this machine"} {
		code, _, stderr := run(nil, append([]string{"--state-dir", dir}, loopback...)...)
		if code != 2 || !strings.Contains(stderr, "--state-dir "+dir) || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit %d, %s; expected %q", dir, code, stderr, want)
		}
	}
}
