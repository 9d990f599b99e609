package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	sockgatev1 "github.com/sockgate/sockgate/gen/sockgate/v1"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestCodeInDocuments holds that code shown with `<!-- from FILE -->` stands in that file, which is compiled and tested.
func TestCodeInDocuments(t *testing.T) {
	block := regexp.MustCompile("(?s)<!-- from (\\S+) -->\n```[a-z]+\n(.*?)```")
	code := regexp.MustCompile("(?m)^```(go|js)$")
	for _, path := range documents(t) {
		text := read(t, path)
		blocks := block.FindAllStringSubmatch(text, -1)
		if all := code.FindAllString(text, -1); len(all) != len(blocks) {
			t.Errorf("%s has %d blocks of code, %d of them with the file that they are from", path, len(all), len(blocks))
		}
		for _, b := range blocks {
			if shown := strings.TrimSpace(b[2]); shown == "" || !strings.Contains(read(t, filepath.Join("../..", b[1])), shown) {
				t.Errorf("%s shows code that is not in %s:\n%s", path, b[1], shown)
			}
		}
	}
}

// TestLinksInDocuments holds that every link to a file leads to one.
func TestLinksInDocuments(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`)
	pages := append(documents(t), "../../.github/CONTRIBUTING.md", "../../.github/SECURITY.md", "../../CHANGELOG.md")
	for _, path := range pages {
		for _, m := range link.FindAllStringSubmatch(read(t, path), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", path, m[1], err)
			}
		}
	}
}

// TestThreatsHaveTests holds that every test exists that SECURITY.md names.
func TestThreatsHaveTests(t *testing.T) {
	var sources strings.Builder
	for _, pattern := range []string{"../*/*_test.go", "../*/*/*_test.go", "../server/internal/*/*_test.go", "../../ctl/internal/cli/*_test.go", "../*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no tests: %v", pattern, err)
		}
		for _, file := range files {
			sources.WriteString(read(t, file))
		}
	}
	for _, name := range regexp.MustCompile(`\b(Test|Fuzz)[A-Z]\w+`).FindAllString(read(t, "../../.github/SECURITY.md"), -1) {
		if !strings.Contains(sources.String(), "func "+name+"(") {
			t.Errorf("SECURITY.md names %s, which is no test", name)
		}
	}
}

// TestReferencesAreComplete holds that the reference tables name every event, reason, RPC and flag.
func TestReferencesAreComplete(t *testing.T) {
	events, operations, readme := read(t, "events.md"), read(t, "operations.md"), read(t, "../../README.md")
	for name, n := range sockgatev1.EventType_value {
		if short := strings.TrimPrefix(name, "EVENT_TYPE_"); n != 0 && !strings.Contains(events, short) {
			t.Errorf("events.md does not name %s", short)
		}
	}
	for name, n := range sockgatev1.CloseReason_value {
		if short := strings.TrimPrefix(name, "CLOSE_REASON_"); n != 0 && !strings.Contains(events, "| "+short+" |") {
			t.Errorf("events.md does not explain the close reason %s", short)
		}
	}
	for _, method := range sockgatev1.GatewayService_ServiceDesc.Methods {
		if !strings.Contains(readme, "| "+method.MethodName+" |") {
			t.Errorf("README.md does not have the RPC %s", method.MethodName)
		}
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	help := run(t, root, "go", "run", "./gateway", "--help")
	for _, m := range regexp.MustCompile(`(?m)^ +(?:-\w, )?--([a-z0-9-]+)`).FindAllStringSubmatch(help, -1) {
		if flag := m[1]; flag != "help" && flag != "version" && !strings.Contains(operations, "`--"+flag+"`") {
			t.Errorf("operations.md does not have --%s", flag)
		}
	}
}

// TestNoVariableHasTwoMeanings holds that no environment variable means one thing to ctl and another to the gateway: both are often run
// in the same environment, a container's or a shell's.
func TestNoVariableHasTwoMeanings(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	gateway, ctl := run(t, root, "go", "run", "./gateway", "--help"), run(t, root, "go", "run", "./ctl", "info", "--help")
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
