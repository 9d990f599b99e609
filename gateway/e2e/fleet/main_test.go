//go:build linux

package fleet

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sockgate/sockgate/gateway/e2e/internal/program"
	"github.com/sockgate/sockgate/gateway/e2e/internal/scale"
)

var (
	connections = flag.Int("fleet.connections", scale.Of(1200, 3000), "connections of a fleet, over all of its nodes")
	splitFor    = flag.Duration("fleet.split", 12*time.Second,
		"how long a fleet is split in two; more than 10s, after which nodes are unreachable")
	reportFile = flag.String("fleet.report", "", "`file` to write what was observed into, as a table in Markdown")
)

// patience is how long a test waits for anything before it fails. No result depends on it.
const patience = time.Minute

// workshop is the directory of the gateways' sockets.
var workshop string

func TestMain(m *testing.M) {
	if os.Getenv(asCrowd) != "" {
		os.Exit(crowdMain(os.Stdin, os.Stdout))
	}
	scale.Parallel()
	flag.Parse()
	var err error
	if workshop, err = os.MkdirTemp("", "sockgate-lab"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if err := observations.write(*reportFile); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
		_ = os.RemoveAll(workshop)
		program.Clean()
		os.Exit(code)
	}))
}

// check ends the test with an error.
func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// await asks until the answer is yes, and returns how long that took. The answer says why it is no. It asks less often
// the longer it has waited, so that asking is not most of the fleet's load; the result is right to a twentieth.
func await(t testing.TB, what string, so func() (ok bool, why string)) time.Duration {
	t.Helper()
	for begin := time.Now(); ; {
		ok, why := so()
		waited := time.Since(begin)
		if ok {
			return waited
		}
		if waited > patience {
			t.Fatalf("%s: not within %s: %s", what, patience, why)
		}
		<-time.After(min(max(10*time.Millisecond, waited/20), 100*time.Millisecond))
	}
}

// hold returns when a scenario has lasted a time since its beginning.
func hold(t testing.TB, begin time.Time, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(time.Until(begin.Add(d))):
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	}
}
