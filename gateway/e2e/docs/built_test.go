package docs

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/sockgate/sockgate/gateway/e2e/internal/program"
	"github.com/sockgate/sockgate/gateway/e2e/internal/tree"
)

// built are the programs that documents build, by name, with their packages.
var built = map[string]string{"gateway": program.Gateway, "ctl": program.Ctl, "nats-server": program.NATS}

var buildOnce sync.Once

// linkBuilt puts links to the programs that documents build into a directory. A document's own `go build` finds them up
// to date there, so that they are not linked again for each page and each run of the tests.
func linkBuilt(t *testing.T, dir string) {
	t.Helper()
	root, kept := tree.Path(t, "."), tree.Path(t, ".cache/documents")
	buildOnce.Do(func() {
		program.Run(t, root, "go", slices.Concat([]string{"build", "-o", kept + "/"}, slices.Collect(maps.Values(built)))...)
	})
	for name := range built {
		if err := os.Symlink(filepath.Join(kept, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}
