package cli

import (
	"bufio"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sockgate/sockgate/gateway/gatewaytest"
)

// TestScripts runs ctl as a program against a gateway, one for each script: $ADDR is its data plane, and
// $SOCKGATE_GATEWAY its control plane.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:      "testdata/script",
		Deadline: time.Now().Add(time.Minute), // a script that hangs names its line
		Setup: func(env *testscript.Env) error {
			gateway := gatewaytest.Start(t)
			env.Defer(gateway.Stop)
			env.Setenv("GORACE", "atexit_sleep_ms=0") // otherwise each ctl of a test with -race takes a second
			env.Setenv("ADDR", gateway.Addr)
			env.Setenv("SOCKGATE_GATEWAY", gateway.Control)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"capture": capture},
	})
}

// capture sets variables to the lines of the last command's stdout: `capture ID1 ID2`.
func capture(ts *testscript.TestScript, _ bool, names []string) {
	lines := bufio.NewScanner(strings.NewReader(ts.ReadFile("stdout")))
	for _, name := range names {
		if !lines.Scan() {
			ts.Fatalf("stdout has no line for %s", name)
		}
		ts.Setenv(name, lines.Text())
	}
}
