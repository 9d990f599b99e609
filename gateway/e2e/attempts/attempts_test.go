package attempts

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/sockgate/sockgate/gateway/e2e/attempts/internal/attack"
	"github.com/sockgate/sockgate/gateway/e2e/internal/program"
	"github.com/sockgate/sockgate/gateway/e2e/internal/table"
)

// TestMain is also the process of the attackers, which are this program again.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == attack.Command {
		if err := attack.Main(os.Args[2], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	program.Main(m)
}

// attempt is a forbidden act, and a function that tries it.
type attempt struct {
	what string
	try  func() string // returns the answer
}

// TestAttempts makes every attempt of security.md at a real gateway, and compares the answers with the page. It runs
// before the tests that are parallel: beside an attack a handshake could take longer than the gateway lets it.
func TestAttempts(t *testing.T) {
	g := startGuarded(t)
	tables := map[string]string{
		"roles":   g.matrix(),
		"control": answers(g.controlAttempts()),
		"start":   answers(g.startAttempts()) + rows(g.loopbackAttempts()),
		"data":    answers(g.dataAttempts()),
	}
	table.Compare(t, "gateway/docs/security.md", "attempts", tables)
}

func answers(attempts []attempt) string { return "| attempt | answer |\n|---|---|\n" + rows(attempts) }

func rows(attempts []attempt) string {
	var b strings.Builder
	for _, a := range attempts {
		b.WriteString("| " + a.what + " | " + strings.ReplaceAll(a.try(), "|", `\|`) + " |\n")
	}
	return b.String()
}
