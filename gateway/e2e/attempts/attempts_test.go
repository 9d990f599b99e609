package docs

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what the attempts got, and what was computed, into the documents")

// attempt is something that one may not do, and how to try it.
type attempt struct {
	what string
	try  func() string // returns the answer
}

// TestAttempts makes every attempt of security.md at a real gateway, and compares the answers with those that it shows.
func TestAttempts(t *testing.T) {
	g := startGuarded(t)
	tables := map[string]string{
		"roles":   g.matrix(),
		"control": table(g.controlAttempts()),
		"start":   table(g.startAttempts()) + rows(g.loopbackAttempts()),
		"data":    table(g.dataAttempts()),
	}
	compareTables(t, "security.md", "attempts", tables)
}

// compareTables compares tables with those that a document shows at their places, or writes them there. A place begins with the kind of
// table that it is, and the table's name.
func compareTables(t *testing.T, file, kind string, tables map[string]string) {
	t.Helper()
	text := read(t, file)
	for name, got := range tables {
		begin, end := "<!-- "+kind+": "+name+" -->\n", "<!-- end -->"
		before, rest, ok := strings.Cut(text, begin)
		shown, after, closed := strings.Cut(rest, end)
		if !ok || !closed {
			t.Fatalf("%s has no place for %q", file, begin)
		}
		if shown != got && !*update {
			t.Errorf("%s: under %q there should be\n%s\nand there is\n%s\ngo test ./gateway/docs -run %s -update writes it", file, name, got, shown, t.Name())
		}
		text = before + begin + got + end + after
	}
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func table(attempts []attempt) string { return "| attempt | answer |\n|---|---|\n" + rows(attempts) }

func rows(attempts []attempt) string {
	var b strings.Builder
	for _, a := range attempts {
		b.WriteString("| " + a.what + " | " + strings.ReplaceAll(a.try(), "|", `\|`) + " |\n")
	}
	return b.String()
}
