package program

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sockgate/sockgate/gateway/e2e/internal/scale"
)

// The packages of the programs that tests build.
const (
	Gateway = "github.com/sockgate/sockgate/gateway"
	Ctl     = "github.com/sockgate/sockgate/ctl"
	NATS    = "github.com/nats-io/nats-server/v2"
)

// workshop keeps the programs that a test process has built.
type workshop struct {
	mu    sync.Mutex
	dir   string // "" until something is built
	built map[string]func() (string, error)
}

var programs = workshop{built: make(map[string]func() (string, error))}

// Main runs a package's tests, many at once, and removes the programs that they built.
func Main(m *testing.M) {
	scale.Parallel()
	code := m.Run()
	Clean()
	os.Exit(code)
}

// Clean removes all built programs, at the end of a test process.
func Clean() {
	programs.mu.Lock()
	defer programs.mu.Unlock()
	_ = os.RemoveAll(programs.dir) // a directory for temporary files
}

// Build returns the path of the program of a package. It is built once in a test process. Flags are those of `go
// build`.
func Build(t testing.TB, pkg string, flags ...string) string {
	t.Helper()
	file, err := programs.build(pkg, flags)()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// build returns the function that builds a program at its first call.
func (w *workshop) build(pkg string, flags []string) func() (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := strings.Join(append([]string{pkg}, flags...), "\x00")
	if w.built[key] == nil {
		w.built[key] = w.building(pkg, flags, len(w.built))
	}
	return w.built[key]
}

// building gives each program a directory, so that it keeps its name. It copies the program that `go run` would run,
// which the build cache keeps: `go build` would link it again in every test process.
func (w *workshop) building(pkg string, flags []string, number int) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		dir, err := w.place()
		if err != nil {
			return "", err
		}
		file := filepath.Join(dir, fmt.Sprint(number), path.Base(pkg))
		if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
			return "", err
		}
		args := slices.Concat([]string{"run", "-exec", "cp"}, flags, []string{pkg, file})
		if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("building %s: %w\n%s", pkg, err, out)
		}
		return file, nil
	})
}

// place returns the directory for built programs, and makes it at the first call.
func (w *workshop) place() (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var err error
	if w.dir == "" {
		w.dir, err = os.MkdirTemp("", "sockgate-programs")
	}
	return w.dir, err
}
