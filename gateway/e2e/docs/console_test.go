package docs

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sockgate/sockgate/gateway/e2e/internal/program"
	"github.com/sockgate/sockgate/gateway/e2e/internal/tree"
)

func TestMain(m *testing.M) { program.Main(m) }

// step is one command of a document's `console` blocks, with the output that the document shows. A command may continue
// in lines that begin with `> `.
type step struct {
	line    int
	command string
	output  []string
	any     bool // lines may come in any order: the block is marked `console any-order`
}

// background reports whether the command goes on while the next ones run.
func (s *step) background() bool { return strings.HasSuffix(s.command, "&") }

// readSteps returns the commands of a document, in order.
func readSteps(t *testing.T, path string) []step {
	t.Helper()
	var steps []step
	inside, anyOrder := false, false
	for i, line := range strings.Split(tree.Read(t, path), "\n") {
		switch {
		case strings.HasPrefix(line, "```"):
			inside = !inside && strings.HasPrefix(line, "```console")
			anyOrder = strings.HasSuffix(line, "any-order")
		case !inside:
		case strings.HasPrefix(line, "$ "):
			steps = append(steps, step{line: i + 1, command: strings.TrimPrefix(line, "$ "), any: anyOrder})
		case len(steps) > 0 && len(steps[len(steps)-1].output) == 0 && strings.HasPrefix(line, "> "):
			steps[len(steps)-1].command += "\n" + strings.TrimPrefix(line, "> ")
		case len(steps) > 0:
			last := &steps[len(steps)-1]
			last.output = append(last.output, line)
		}
	}
	return steps
}

// volatile are the parts of an output that differ between runs, with their replacements.
var volatile = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`(edge-\d)\.[0-9a-f]{11}`), "$1.INCARNATION"},
	{regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`), "UUID"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "TIME"},
	{regexp.MustCompile(`\d\d:\d\d:\d\d\.\d+`), "CLOCK"},
	{regexp.MustCompile(`incarnation(=|\s+)[0-9a-f]{11}`), "incarnation$1 INCARNATION"},
	{regexp.MustCompile(`devel|v\d+\.\d+\.\d+\S*`), "VERSION"},
	{regexp.MustCompile(`\b(\d+(\.\d+)?(h|ms|m|µs|ns|s))+\b`), "DURATION"},
	{regexp.MustCompile(`max-connections=\d+`), "max-connections=DESCRIPTORS"},
	{regexp.MustCompile(`(127\.0\.0\.\d):\d{5}\b`), "$1:PORT"},
	{regexp.MustCompile(`[ \t]+`), " "},
}

// normal returns lines with the volatile parts replaced.
func normal(lines []string, ports map[string]string) []string {
	var out []string
	for _, line := range lines {
		for document, real := range ports {
			line = strings.ReplaceAll(line, ":"+real, ":"+document)
		}
		for _, v := range volatile {
			line = v.pattern.ReplaceAllString(line, v.with)
		}
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

// documents are the files whose commands are run, each in one shell.
func documents(t *testing.T) []string {
	t.Helper()
	return append([]string{"README.md"}, pagesIn(t, "gateway/docs")...)
}

// pagesIn returns the Markdown files of a folder.
func pagesIn(t *testing.T, folder string) (pages []string) {
	t.Helper()
	found, err := filepath.Glob(tree.Path(t, folder+"/*.md"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no documents in %s: %v", folder, err)
	}
	for _, page := range found {
		pages = append(pages, folder+"/"+filepath.Base(page))
	}
	return pages
}

// TestCommandsInDocuments runs every command of the documents' console blocks and compares the output with the one
// shown.
func TestCommandsInDocuments(t *testing.T) {
	t.Parallel()
	for _, path := range documents(t) {
		steps := readSteps(t, path)
		if len(steps) == 0 {
			continue
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			shell := startShell(t)
			for i := range steps {
				s := &steps[i]
				if err := shell.run(s); err != nil {
					t.Fatalf("%s:%d: $ %s\n%v", path, s.line, s.command, err)
				}
			}
		})
	}
}

// compare says how an output differs from the one shown. A background command may print more than is shown.
func (s *step) compare(output string, ports map[string]string) error {
	want, got := normal(s.output, nil), normal(strings.Split(output, "\n"), ports)
	if s.any {
		want, got = sorted(want), sorted(got)
	}
	if s.background() && len(got) > len(want) && !s.any {
		got = got[:len(want)]
	}
	if strings.Join(want, "\n") == strings.Join(got, "\n") {
		return nil
	}
	return fmt.Errorf("the document shows:\n%s\n\nand it printed:\n%s", strings.Join(want, "\n"), strings.Join(got, "\n"))
}
