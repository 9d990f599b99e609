//go:build unix

package custody_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sockgate/sockgate/gateway/internal/custody"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// place is a folder with a file in an inner folder.
type place struct{ outer, inner, file string }

func newPlace(t *testing.T) place {
	t.Helper()
	outer := filepath.Join(t.TempDir(), "outer")
	p := place{outer: outer, inner: filepath.Join(outer, "inner"), file: filepath.Join(outer, "inner", "tokens")}
	check(t, os.MkdirAll(p.inner, 0o700))
	check(t, os.WriteFile(p.file, []byte("content"), 0o600))
	return p
}

// content opens a file and reads it.
func content(path string) (string, error) {
	f, err := custody.Open(path)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(f)
	return string(b), errors.Join(err, f.Close())
}

// TestModes checks the modes of a file and of the folders above it. A refusal names the path, its mode and a way out.
func TestModes(t *testing.T) {
	for _, c := range []struct {
		path string
		mode os.FileMode
		want string // empty: accepted
	}{
		{"file", 0o600, ""},
		{"file", 0o444, ""},
		{"file", 0o640, ""},
		{"file", 0o620, "chmod 600"},
		{"file", 0o602, "chmod 600"},
		{"inner", 0o755, ""},
		{"inner", 0o775, "chmod go-w"},
		{"inner", 0o757, "chmod go-w"},
		{"inner", 0o777 | os.ModeSticky, ""},
		{"outer", 0o777, "chmod go-w"},
		{"outer", 0o777 | os.ModeSticky | os.ModeSetgid, ""},
	} {
		p := newPlace(t)
		path := map[string]string{"file": p.file, "inner": p.inner, "outer": p.outer}[c.path]
		check(t, os.Chmod(path, c.mode))
		got, err := content(p.file)
		switch {
		case c.want == "" && (err != nil || got != "content"):
			t.Errorf("%s %v: %q, %v", c.path, c.mode, got, err)
		case c.want != "" && (err == nil || !mentions(err, p.file, c.want+" ", " "+path, "mode 0")):
			t.Errorf("%s %v: %v", c.path, c.mode, err)
		}
	}
}

func mentions(err error, parts ...string) bool {
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			return false
		}
	}
	return true
}

// TestOwners checks that a file, a folder and a link of another user are refused. If the test runs as root, it gives
// them away; else it opens them for a gateway of another user.
func TestOwners(t *testing.T) {
	const stranger = 4242
	for _, kind := range []string{"file", "inner", "link"} {
		p := newPlace(t)
		link := filepath.Join(p.outer, "link")
		check(t, os.Symlink("inner/tokens", link))
		user := os.Geteuid()
		if user == 0 {
			check(t, os.Lchown(map[string]string{"file": p.file, "inner": p.inner, "link": link}[kind], stranger, stranger))
		} else {
			user = stranger
		}
		f, err := custody.OpenAs(link, user)
		if err == nil {
			check(t, f.Close())
			t.Errorf("the %s of another user was accepted", kind)
		} else if !mentions(err, link, "belongs to the user", "chown", "mode 0") {
			t.Error(err)
		}
	}
}

// TestLinks checks that everything on the way through links is checked, and that the links of Kubernetes work.
func TestLinks(t *testing.T) {
	p := newPlace(t)
	volume := filepath.Join(t.TempDir(), "volume")
	check(t, os.MkdirAll(filepath.Join(volume, "..2026_11_30"), 0o755))
	check(t, os.Chmod(volume, 0o777|os.ModeSticky|os.ModeSetgid))
	check(t, os.WriteFile(filepath.Join(volume, "..2026_11_30", "tokens"), []byte("content"), 0o440))
	check(t, os.Symlink("..2026_11_30", filepath.Join(volume, "..data")))
	check(t, os.Symlink("..data/tokens", filepath.Join(volume, "tokens")))
	if got, err := content(filepath.Join(volume, "tokens")); err != nil || got != "content" {
		t.Errorf("%q, %v", got, err)
	}
	for name, target := range map[string]string{"absolute": p.file, "folder": p.inner, "up": "../inner/tokens"} {
		link := filepath.Join(p.outer, name)
		if name == "up" {
			link = filepath.Join(p.inner, name)
		}
		check(t, os.Symlink(target, link))
		path := link
		if name == "folder" {
			path += "/tokens"
		}
		if got, err := content(path); err != nil || got != "content" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		check(t, os.Chmod(p.inner, 0o777))
		if _, err := content(path); err == nil || !mentions(err, path, p.inner) {
			t.Errorf("%s: %v", name, err)
		}
		check(t, os.Chmod(p.inner, 0o700))
	}
}

// TestRelative checks that the folders above the working directory are checked too.
func TestRelative(t *testing.T) {
	p := newPlace(t)
	t.Chdir(p.inner)
	if got, err := content("./tokens"); err != nil || got != "content" {
		t.Errorf("%q, %v", got, err)
	}
	check(t, os.Chmod(p.outer, 0o777))
	if _, err := content("tokens"); err == nil || !mentions(err, "tokens", p.outer) {
		t.Error(err)
	}
}

// TestOddFiles checks what is no regular file, and that nothing waits for the writer of a pipe.
func TestOddFiles(t *testing.T) {
	p := newPlace(t)
	pipe, circle, nowhere := p.inner+"/pipe", p.inner+"/circle", p.inner+"/nowhere"
	check(t, syscall.Mkfifo(pipe, 0o600))
	check(t, os.Symlink("circle", circle))
	check(t, os.Symlink("none", nowhere))
	for _, path := range []string{pipe, circle, nowhere, p.inner, p.inner + "/none", p.file + "/", p.file + "/below", ""} {
		if _, err := content(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v", path, err)
		}
	}
	if _, err := content(p.inner + "/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
