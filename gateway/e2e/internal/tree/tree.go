// Package tree finds files of this repository by their paths from its root.
package tree

import (
	"os"
	"path/filepath"
	"testing"
)

// Path returns the absolute path of a file or directory; "." is the root of the repository.
func Path(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; !isRoot(dir); dir = filepath.Dir(dir) {
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test's directory: run it in the repository")
		}
	}
	return filepath.Join(dir, filepath.FromSlash(name))
}

func isRoot(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

// Read returns the text of a file.
func Read(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
