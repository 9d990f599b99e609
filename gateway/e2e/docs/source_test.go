package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sockgate/sockgate/gateway/e2e/internal/program"
	"github.com/sockgate/sockgate/gateway/e2e/internal/tree"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestCodeInDocuments holds that the code below `<!-- from FILE -->` is in that file, which is compiled and tested.
func TestCodeInDocuments(t *testing.T) {
	block := regexp.MustCompile("(?s)<!-- from (\\S+) -->\n```[a-z]+\n(.*?)```")
	code := regexp.MustCompile("(?m)^```(go|js)$")
	for _, path := range documents(t) {
		text := tree.Read(t, path)
		blocks := block.FindAllStringSubmatch(text, -1)
		if all := code.FindAllString(text, -1); len(all) != len(blocks) {
			t.Errorf("%s has %d blocks of code, %d of them with the file that they are from", path, len(all), len(blocks))
		}
		for _, b := range blocks {
			if shown := strings.TrimSpace(b[2]); shown == "" || !strings.Contains(tree.Read(t, b[1]), shown) {
				t.Errorf("%s shows code that is not in %s:\n%s", path, b[1], shown)
			}
		}
	}
}

// TestLinksInDocuments holds that every link to a file leads to one.
func TestLinksInDocuments(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`)
	for _, path := range linkingPages(t) {
		for _, m := range link.FindAllStringSubmatch(tree.Read(t, path), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(tree.Path(t, path)), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", path, m[1], err)
			}
		}
	}
}

// TestAnchorsInDocuments holds that every link to a heading of a page leads to one.
func TestAnchorsInDocuments(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^):#]*)#([^)]+)\)`)
	for _, path := range linkingPages(t) {
		for _, m := range link.FindAllStringSubmatch(tree.Read(t, path), -1) {
			page := path
			if m[1] != "" {
				page = filepath.Join(filepath.Dir(path), m[1])
			}
			if !slices.Contains(headings(tree.Read(t, page)), m[2]) {
				t.Errorf("%s links to %s, which has no heading #%s", path, page, m[2])
			}
		}
	}
}

// headings returns the anchors of a page's headings, as GitHub makes them.
func headings(text string) (anchors []string) {
	text = regexp.MustCompile("(?ms)^```.*?^```$").ReplaceAllString(text, "")
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		words := regexp.MustCompile(`[^\w\- ]`).ReplaceAllString(strings.ToLower(m[1]), "")
		anchors = append(anchors, strings.ReplaceAll(words, " ", "-"))
	}
	return anchors
}

// linkingPages returns the pages whose links are checked.
func linkingPages(t *testing.T) []string {
	t.Helper()
	pages := append(documents(t), ".github/CONTRIBUTING.md", ".github/SECURITY.md", "CHANGELOG.md")
	return append(pages, pagesIn(t, "gateway/docs/decisions")...)
}

// TestThreatsHaveTests holds that every test that SECURITY.md names exists.
func TestThreatsHaveTests(t *testing.T) {
	sources := testSources(t)
	for _, name := range regexp.MustCompile(`\b(Test|Fuzz)[A-Z]\w+`).FindAllString(tree.Read(t, ".github/SECURITY.md"),
		-1) {
		if !strings.Contains(sources, "func "+name+"(") {
			t.Errorf("SECURITY.md names %s, which is no test", name)
		}
	}
}

// testSources is the text of all test files.
func testSources(t *testing.T) string {
	t.Helper()
	var sources strings.Builder
	err := filepath.WalkDir(tree.Path(t, "."), func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.Name() == ".git" && entry.IsDir():
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		b, err := os.ReadFile(path)
		sources.Write(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sources.String()
}

// TestReferencesAreComplete holds that the reference tables name every event, reason, RPC and flag.
func TestReferencesAreComplete(t *testing.T) {
	t.Parallel()
	events, operations, readme := tree.Read(t, "gateway/docs/events.md"), tree.Read(t, "gateway/docs/operations.md"),
		tree.Read(t, "README.md")
	for name, n := range pb.EventType_value {
		if short := strings.TrimPrefix(name, "EVENT_TYPE_"); n != 0 && !strings.Contains(events, short) {
			t.Errorf("events.md does not name %s", short)
		}
	}
	for name, n := range pb.CloseReason_value {
		if short := strings.TrimPrefix(name, "CLOSE_REASON_"); n != 0 && !strings.Contains(events, "| "+short+" |") {
			t.Errorf("events.md does not explain the close reason %s", short)
		}
	}
	for _, method := range pb.GatewayService_ServiceDesc.Methods {
		if !strings.Contains(readme, "| "+method.MethodName+" |") {
			t.Errorf("README.md does not have the RPC %s", method.MethodName)
		}
	}
	help := program.Run(t, ".", program.Build(t, program.Gateway), "--help")
	for _, m := range regexp.MustCompile(`(?m)^ +(?:-\w, )?--([a-z0-9-]+)`).FindAllStringSubmatch(help, -1) {
		if flag := m[1]; flag != "help" && flag != "version" && !strings.Contains(operations, "`--"+flag+"`") {
			t.Errorf("operations.md does not have --%s", flag)
		}
	}
}

// TestNoVariableHasTwoMeanings holds that no environment variable means one thing to ctl and another to the gateway:
// both often run in the same environment, such as a container's or a shell's.
func TestNoVariableHasTwoMeanings(t *testing.T) {
	t.Parallel()
	gateway := program.Run(t, ".", program.Build(t, program.Gateway), "--help")
	ctl := program.Run(t, ".", program.Build(t, program.Ctl), "info", "--help")
	variables := regexp.MustCompile(`\(env SOCKGATE_([A-Z_]+)`).FindAllStringSubmatch(ctl, -1)
	if len(variables) < 8 {
		t.Errorf("ctl names %d variables", len(variables))
	}
	for _, m := range variables {
		flag := "--" + strings.ToLower(strings.ReplaceAll(m[1], "_", "-"))
		if regexp.MustCompile(`(?m)^ +(?:-\w, )?` + flag + ` `).MatchString(gateway) {
			t.Errorf("SOCKGATE_%s is a variable of ctl, and the gateway's %s", m[1], flag)
		}
	}
}
