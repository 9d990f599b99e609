package docs

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sockgate/sockgate/gateway/e2e/internal/program"
	"github.com/sockgate/sockgate/gateway/e2e/internal/scale"
	"github.com/sockgate/sockgate/gateway/e2e/internal/tree"
	"github.com/sockgate/sockgate/gateway/gatewaytest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestNodeGreeter generates the Node.js client of the documents and runs its example.
func TestNodeGreeter(t *testing.T) {
	t.Parallel()
	requireNode(t, "npm")
	example := copiedExample(t)
	installPackages(t, example)
	program.Run(t, example, "npm", "run", "generate")

	g := gatewaytest.Start(t)
	player, err := net.Dial("tcp", g.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer player.Close()
	out := program.Run(t, example, "node", "greeter.mjs", g.Control, "1")
	if !strings.Contains(out, "greeted test.") || !strings.Contains(out, ".1: WRITTEN") {
		t.Errorf("the greeter printed:\n%s", out)
	}
	if line, err := bufio.NewReader(player).ReadString('\n'); line != "welcome\n" || err != nil {
		t.Errorf("the player got %q, %v", line, err)
	}
	list, err := g.Client.ListConnections(t.Context(),
		&pb.ListConnectionsRequest{Filter: `labels["room"] == "lobby"`})
	if err != nil || len(list.GetConnections()) != 1 {
		t.Errorf("the greeter set no label: %v, %v", list, err)
	}
}

const greeter = "gateway/docs/clients/node"

// copiedExample copies the example and the proto files beside it to a directory of the test's, and returns the
// example's path.
func copiedExample(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "proto"), os.DirFS(tree.Path(t, "proto"))); err != nil {
		t.Fatal(err)
	}
	example := filepath.Join(dir, greeter)
	copyTo(t, example, "package.json", "package-lock.json", "buf.gen.yaml", "greeter.mjs")
	return example
}

// copyTo copies files of the example to a directory.
func copyTo(t *testing.T, dir string, names ...string) {
	t.Helper()
	err := os.MkdirAll(dir, 0o755)
	for _, name := range names {
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), []byte(tree.Read(t, greeter+"/"+name)), 0o600)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// installPackages installs the example's packages: anew with LONG_TESTS, else once for all runs with the same lock
// file.
func installPackages(t *testing.T, example string) {
	t.Helper()
	if scale.Full() {
		install(t, example)
		return
	}
	kept := tree.Path(t, fmt.Sprintf(".cache/greeter-%.4x",
		sha256.Sum256([]byte(tree.Read(t, greeter+"/package-lock.json")))))
	if _, err := os.Stat(kept); err != nil {
		keepInstalled(t, kept)
	}
	if err := os.Symlink(filepath.Join(kept, "node_modules"), filepath.Join(example, "node_modules")); err != nil {
		t.Fatal(err)
	}
}

func install(t *testing.T, dir string) {
	t.Helper()
	program.Run(t, dir, "npm", "ci", "--no-audit", "--no-fund")
}

// keepInstalled installs the packages in a fresh directory beside kept, and renames it to kept when all is there.
func keepInstalled(t *testing.T, kept string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(kept), 0o755); err != nil {
		t.Fatal(err)
	}
	fresh, err := os.MkdirTemp(filepath.Dir(kept), "greeter")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(fresh)
	copyTo(t, fresh, "package.json", "package-lock.json")
	install(t, fresh)
	if err := os.Rename(fresh, kept); err != nil && !os.IsExist(err) { // another test run may have been first
		t.Fatal(err)
	}
}
