//go:build linux

package fleet

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/e2e/internal/program"
	"github.com/sockgate/sockgate/gateway/e2e/internal/scale"
)

// clockAhead is the environment variable that puts a gateway's wall clock ahead, by so many seconds.
const clockAhead = "E2E_CLOCK_AHEAD"

// skewed builds the gateway with a package time whose wall clock is off by the environment's seconds. The kernel has
// one wall clock for all processes, and Go programs cannot be given another. The gateway's own source and the monotonic
// clock stay as they are.
func skewed(t *testing.T) string {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	check(t, err)
	source := filepath.Join(strings.TrimSpace(string(root)), "src/time/time.go")
	text, err := os.ReadFile(source)
	check(t, err)
	const now = "\tsec, nsec, mono := runtimeNow()\n\tif mono == 0 {"
	if strings.Count(string(text), now) != 1 {
		t.Fatalf("%s has not the place where the lab sets the clock: look for runtimeNow in func Now", source)
	}
	changed := strings.Replace(string(text), now, strings.Replace(now, "()\n", "()\n\tsec += ahead\n", 1), 1)
	changed = strings.Replace(changed, "import (", "import (\n\t\"syscall\"", 1) + aheadOfTime
	file, overlay := filepath.Join(t.TempDir(), "time.go"), filepath.Join(t.TempDir(), "overlay.json")
	check(t, os.WriteFile(file, []byte(changed), 0o600))
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {source: file}})
	check(t, err)
	check(t, os.WriteFile(overlay, replace, 0o600))
	return program.Build(t, program.Gateway, "-overlay", overlay)
}

// aheadOfTime is source that the changed package time has in addition: it reads the seconds from the environment.
const aheadOfTime = `
var ahead = func() (n int64) {
	text, _ := syscall.Getenv("` + clockAhead + `")
	sign := int64(1)
	for i := range len(text) {
		if text[i] == '-' {
			sign = -1
		} else {
			n = 10*n + int64(text[i]-'0')
		}
	}
	return sign * n
}()
`

// TestClock puts one node's wall clock an hour ahead and another's an hour back. Nothing may change: membership, verbs
// and the refusal of stale requests go by monotonic clocks. A node that restarts with an earlier time than its last
// incarnation is a new incarnation.
func TestClock(t *testing.T) {
	scale.Long(t)
	t.Parallel()
	path := skewed(t)
	l := newLab(t)
	addresses := []string{l.free(1), l.free(2), l.free(3)}
	for i, ahead := range []time.Duration{0, time.Hour, -time.Hour} {
		g := l.add(fmt.Sprintf("node-%d", i+1), clusterFlags(addresses, i)...)
		g.program, g.environ = path, []string{fmt.Sprintf("%s=%d", clockAhead, int(ahead.Seconds()))}
		g.launch(t)
		g.crowd = newCrowd(g, 100)
		if off := g.info().GetStartedAt().AsTime().Sub(time.Now().Add(ahead)); off.Abs() > 10*time.Minute {
			t.Fatalf("the clock of %s is off by %s; expected %s", g.node, off+ahead, ahead)
		}
	}
	a, fast, slow := l.gateways[0], l.gateways[1], l.gateways[2]
	observe(t, "until all were together", l.together(a, fast, slow))
	own, stream := followOwn(a, fast, slow), follow(slow, l.gateways)
	l.sameEverywhere(a, fast, slow)
	everyPair(l)
	broadcasts(l)
	stopSlow(t, a, fast)

	old := fast.connection(50)
	fast.kill()
	fast.environ = nil // its next incarnation begins an hour before the last
	fast.launch(t)
	restarted := time.Now()
	fast.crowd = newCrowd(fast, 50)
	observe(t, "until all were together with a node whose new life has an earlier time", l.together(a, fast, slow))
	stream.member("JOINED", "node-2", restarted.Add(-time.Minute))
	l.sameEverywhere(a, fast, slow)
	if got, f := a.kick(old, nil); got != "NODE_RESTARTED" && got != "NODE_UNREACHABLE" && got != "NOT_FOUND" {
		t.Errorf("a kick of a connection of the life before: %s, %v", got, f)
	}
	if got := a.send(fast.connection(0), "to the new life", nil); got != "WRITTEN" {
		t.Errorf("a send to the new life: %s", got)
	}
	unscathed("afterwards", a, fast, slow)
	own = append(own, followOwn(fast)...)
	stream.caughtUp(a, fast, slow)
	stream.dense(own...)
}

// stopSlow lets a mutation go stale at a node whose clock is off.
func stopSlow(t *testing.T, a, off *gateway) {
	t.Helper()
	id := off.connection(60)
	off.stop()
	if got, _ := a.kick(id, within(time.Second)); got != "UNKNOWN" {
		t.Errorf("a kick on a stopped node: %s", got)
	}
	off.signal(syscall.SIGCONT)
	if got := a.send(id, "alive", nil); got != "WRITTEN" {
		t.Errorf("a connection whose kick was too late: %s", got)
	}
}
