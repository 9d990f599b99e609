// Package table compares the tables that tests compute with those that documents show.
package table

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/sockgate/sockgate/gateway/e2e/internal/tree"
)

var update = flag.Bool("update", false, "write what the attempts got, and what was computed, into the documents")

// Compare compares tables with those of a document, or writes them there when the flag -update is given. A table's
// place in the document begins with its kind and its name.
func Compare(t *testing.T, document, kind string, tables map[string]string) {
	t.Helper()
	text := tree.Read(t, document)
	for name, got := range tables {
		begin, end := "<!-- "+kind+": "+name+" -->\n", "<!-- end -->"
		before, rest, ok := strings.Cut(text, begin)
		shown, after, closed := strings.Cut(rest, end)
		if !ok || !closed {
			t.Fatalf("%s has no place for %q", document, begin)
		}
		if shown != got && !*update {
			t.Errorf("%s: under %q there should be\n%s\nand there is\n%s\nrun this test with -run %s -update to write it",
				document, name, got, shown, t.Name())
		}
		text = before + begin + got + end + after
	}
	if *update {
		if err := os.WriteFile(tree.Path(t, document), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
