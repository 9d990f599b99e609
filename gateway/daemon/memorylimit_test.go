package daemon_test

import (
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
)

// machine returns a folder that stands for a machine of 8 GiB, with a limit for the cgroup of this process.
func machine(t *testing.T, limit string) string {
	t.Helper()
	root := t.TempDir()
	for file, text := range map[string]string{
		"proc/meminfo":             "MemTotal:        8388608 kB\n",
		"proc/self/mountinfo":      "30 22 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
		"proc/self/cgroup":         "0::/\n",
		"sys/fs/cgroup/memory.max": limit,
	} {
		path := filepath.Join(root, file)
		check(t, os.MkdirAll(filepath.Dir(path), 0o700))
		check(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return root
}

// TestMemoryLimit checks for each origin of memory the runtime's limit, the line of the log and the budgets. The
// test runs alone, because the limit is the process's.
func TestMemoryLimit(t *testing.T) {
	t.Cleanup(func() { debug.SetMemoryLimit(math.MaxInt64) })
	for name, c := range map[string]struct {
		limit   string
		environ []string
		flags   []string
		runtime int64
		log     string
		budget  uint64
		handler uint64
	}{
		"cgroup": {limit: "4294967296", runtime: 3276 << 20, log: `"limit":"3276MiB"`, budget: 819 << 20,
			handler: 3276 << 17},
		"machine": {limit: "max", runtime: 4 << 30, log: `50% of /proc/meminfo`, budget: 1 << 30, handler: 512 << 20},
		"small": {limit: "209715200", runtime: 160 << 20, log: `80% of /sys/fs/cgroup/memory.max`, budget: 64 << 20,
			handler: 20 << 20},
		"tiny": {limit: "104857600", runtime: 80 << 20, log: `80% of /sys/fs/cgroup/memory.max`, budget: 64 << 20,
			handler: 16 << 20},
		"the operator's": {limit: "4294967296", environ: []string{"GOMEMLIMIT=off"}, runtime: math.MaxInt64,
			log: `"from":"GOMEMLIMIT","limit":"none"`, budget: 819 << 20, handler: 3276 << 17},
		"budget given": {limit: "4294967296", flags: []string{"--queue-budget", "1MiB"}, runtime: 3276 << 20,
			log: `"limit":"3276MiB"`, budget: 1 << 20, handler: 3276 << 17},
		"budget off": {limit: "4294967296", flags: []string{"--queue-budget", "off"}, runtime: 3276 << 20,
			log: `"limit":"3276MiB"`, budget: 0, handler: 3276 << 17},
		"handler budget given": {limit: "4294967296", flags: []string{"--handler-budget", "1MiB"}, runtime: 3276 << 20,
			log: `"limit":"3276MiB"`, budget: 819 << 20, handler: 1 << 20},
		"handler budget off": {limit: "4294967296", flags: []string{"--handler-budget", "off"}, runtime: 3276 << 20,
			log: `"limit":"3276MiB"`, budget: 819 << 20, handler: 0},
	} {
		t.Run(name, func(t *testing.T) {
			debug.SetMemoryLimit(math.MaxInt64)
			g := startOn(t, machine(t, c.limit), c.environ, append(append([]string(nil), loopback...), c.flags...)...)
			g.log.await(t, 1, c.log)
			if got := debug.SetMemoryLimit(-1); got != c.runtime {
				t.Errorf("the runtime's limit is %d; expected %d", got, c.runtime)
			}
			if got := g.info().GetLimits().GetQueueBudget(); got != c.budget {
				t.Errorf("the queue budget is %d; expected %d", got, c.budget)
			}
			if got := g.info().GetLimits().GetHandlerBudget(); got != c.handler {
				t.Errorf("the handler budget is %d; expected %d", got, c.handler)
			}
		})
	}
}

// TestMemoryLimitOfProcess checks that the built program has a limit and a queue budget, and leaves the operator's own
// limit in force.
func TestMemoryLimitOfProcess(t *testing.T) {
	t.Parallel()
	p := spawn(t, "unset GOMEMLIMIT")
	p.log.await(t, 1, `"@message":"memory limit"`)
	if got := p.info().GetLimits().GetQueueBudget(); got < 64<<20 {
		t.Errorf("the queue budget is %d", got)
	}
	own := spawn(t, "export GOMEMLIMIT=2GiB")
	own.log.await(t, 1, `"from":"GOMEMLIMIT","limit":"2GiB"`)
	if got := own.info().GetLimits().GetQueueBudget(); got != 512<<20 {
		t.Errorf("the queue budget is %d", got)
	}
}

// TestControlConnectionsInLog checks that the line about the control plane tells the control plane's own limit.
func TestControlConnectionsInLog(t *testing.T) {
	t.Parallel()
	p := spawn(t, "ulimit -n 4096", "--max-connections", "7")
	if line := p.lines[len(p.lines)-1]; !strings.Contains(line, `"max-connections":224`) {
		t.Errorf("%q", line)
	}
}
