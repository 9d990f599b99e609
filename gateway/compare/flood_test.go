package main

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/compare/internal/load"
	"github.com/sockgate/sockgate/gateway/compare/internal/result"
)

// TestFlood runs a whole measurement with few connections. It holds that the flood is up, at the server too, that
// attackers that were cut come again, and that clients get answers meanwhile.
func TestFlood(t *testing.T) {
	dir := t.TempDir()
	c, builds := command(t, "flood", "--quick", "--only", "net", "--rounds", "2", "--out", dir)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	if left := append(running(t, builds), attacking(t)...); len(left) > 0 {
		t.Errorf("processes still run: %v", left)
	}
	const clients, attackers = 20, 30 + 12
	r := readResults(t, filepath.Join(dir, "flood.json"))
	if len(r.Measurements) != 4 {
		t.Fatalf("%d measurements; expected 2 rounds of 2", len(r.Measurements))
	}
	for i, m := range r.Measurements {
		flooded := i%2 == 1
		switch {
		case m.Round != 1+i/2 || m.Count == 0 || m.CPU <= 0 || m.LoadCPU <= 0 || m.Latency.P50 <= 0:
			t.Errorf("measurement %d: %+v", i, m)
		case !flooded && (m.Contestant != result.Undisturbed("net") || m.Held != 0 || m.Cut != 0):
			t.Errorf("undisturbed: %+v", m)
		case flooded && (m.Contestant != result.Flooded("net") || m.Held < attackers/2 || m.Cut <= 0 ||
			m.Descriptors < clients+attackers/2):
			t.Errorf("flooded: %+v", m)
		}
	}
	for _, want := range []string{
		"### `flood-20`", "| net, undisturbed |", "| net, flooded     |", "| flooded ÷ undisturbed |", " to ",
	} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("standard output has no %q:\n%s", want, stdout.String())
		}
	}
}

// niceOf returns the nice values of a process's threads, in order. The process is a folder of /proc.
func niceOf(t *testing.T, process string) []string {
	t.Helper()
	threads, err := filepath.Glob(filepath.Join(process, "task", "[0-9]*", "stat"))
	if err != nil || len(threads) == 0 {
		t.Fatalf("%d threads of %s, %v", len(threads), process, err)
	}
	var nice []string
	for _, path := range threads {
		stat, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // from field 3 on
		nice = append(nice, fields[19-3])
	}
	slices.Sort(nice)
	return nice
}

// TestFloodOfGateway holds that the gateway can be flooded too, and that the results have its refusals by reason.
func TestFloodOfGateway(t *testing.T) {
	c, builds := command(t, "flood", "--quick", "--only", "gateway")
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	if want := "gateway says that it refused, all in all: TLS_TIMEOUT "; !strings.Contains(stdout.String(), want) {
		t.Errorf("standard output has no %q:\n%s", want, stdout.String())
	}
	if left := append(running(t, builds), attacking(t)...); len(left) > 0 {
		t.Errorf("processes still run: %v", left)
	}
}

// attacking returns the attackers' processes, as folders of /proc.
func attacking(t *testing.T) []string {
	t.Helper()
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	begin := []byte(self + "\x00" + attackCommand + "\x00")
	var found []string
	for _, path := range commands {
		if command, err := os.ReadFile(path); err == nil && bytes.HasPrefix(command, begin) {
			found = append(found, filepath.Dir(path))
		}
	}
	return found
}

// TestFloodInterrupted holds that Ctrl-C ends the attackers too, also while the flood is still coming.
func TestFloodInterrupted(t *testing.T) {
	c, builds := command(t, "flood", "--quick", "--only", "net", "--handshake-timeout", "2m", "--duration", "10ms")
	pipe, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewScanner(pipe)
	for said.Scan() && !strings.Contains(said.Text(), "undisturbed") {
	}
	if all := attacking(t); len(all) != 1 {
		t.Errorf("the attackers' processes are %v; expected one", all)
	} else if nice := niceOf(t, all[0]); !slices.Equal(slices.Compact(nice), []string{"19"}) {
		t.Errorf("the attackers' threads have the nice values %v; expected 19, so that clients go first", nice)
	}
	if err := c.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	last := ""
	for said.Scan() {
		last = said.Text()
	}
	if err := c.Wait(); err == nil || !strings.Contains(last, "interrupted") {
		t.Errorf("%v; it said %q", err, last)
	}
	if left := append(running(t, builds), attacking(t)...); len(left) > 0 {
		t.Errorf("processes still run: %v", left)
	}
}

// TestFloodConfig holds that the kinds of attackers add up to their number, and that attackers come faster than they
// are cut.
func TestFloodConfig(t *testing.T) {
	for _, halfOpen := range []int{0, 1, 2, 3, 5000} {
		l := &flood{halfOpen: halfOpen, slow: 7, drip: time.Second, timeout: 10 * time.Second}
		c := l.config(load.FloodConfig{}.Server)
		if c.Attackers() != halfOpen+7 || c.Silent != c.Half || c.Whole-c.Half > 2 ||
			float64(c.Pace)*10 <= float64(c.Attackers()) {
			t.Errorf("%d half-open: %+v", halfOpen, c)
		}
	}
}
