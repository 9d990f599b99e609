package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/compare/internal/proc"
	"github.com/sockgate/sockgate/gateway/compare/internal/result"
)

// asProgram is set in the environment of a test binary that runs as the program.
const asProgram = "COMPARE_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// command returns the program with arguments, and the folder that it builds in.
func command(t *testing.T, args ...string) (c *exec.Cmd, builds string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	builds = t.TempDir()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c = exec.CommandContext(ctx, program, args...)
	c.Env = append(os.Environ(), "TMPDIR="+builds, asProgram+"=1")
	return c, builds
}

// running returns the processes whose program was built into a folder.
func running(t *testing.T, builds string) []string {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && strings.HasPrefix(to, builds+"/compare-") {
			found = append(found, link+" → "+to)
		}
	}
	return found
}

// TestQuick runs a whole comparison over plain TCP, as CI and a first-time user do, and checks everything that it
// wrote.
func TestQuick(t *testing.T) {
	dir := t.TempDir()
	document := filepath.Join(dir, "performance.md")
	if err := os.WriteFile(document, []byte("# Speed\n\n<!-- results -->\nold\n<!-- end -->\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := []string{"c", "gateway", "gateway (net)", "net"}
	c, builds := command(t, "--quick", "--workloads", "plain", "--only", strings.Join(want, ","),
		"--gateway-flags", "--engine net", "--out", filepath.Join(dir, "plots"), "--docs", document)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	if left := running(t, builds); len(left) > 0 {
		t.Errorf("servers still run: %v", left)
	}
	if left, err := os.ReadDir(builds); err != nil || len(left) > 0 {
		t.Errorf("what was built is still there: %v, %v", left, err)
	}
	checkResults(t, filepath.Join(dir, "plots", "results.json"), 7, want)

	written, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"![Latency at a fixed rate](plots/latency.svg)", "(plots/memory.svg)", "(plots/throughput.svg)", stdout.String(),
	} {
		if !strings.Contains(string(written), want) {
			t.Errorf("the document has no\n%s\nin\n%s", want, written)
		}
	}
	for _, want := range []string{"### `echo-64-10`", "### `churn`", "| gateway (net) |", "compares nothing"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("standard output has no %q:\n%s", want, stdout.String())
		}
	}
	again, _ := command(t, "--from", filepath.Join(dir, "plots", "results.json"))
	if out, err := again.CombinedOutput(); err != nil || string(out) != stdout.String() {
		t.Errorf("the saved results read otherwise: %v\n%s", err, out)
	}
	for _, name := range []string{"latency.svg", "memory.svg", "throughput.svg"} {
		b, err := os.ReadFile(filepath.Join(dir, "plots", name))
		if err != nil || !bytes.Contains(b, []byte("gateway (net)")) {
			t.Errorf("%s: %v\n%s", name, err, b)
		}
	}
}

// TestQuickTLS runs a whole comparison over TLS. It holds that the C server, which does not speak TLS, is left out
// without an error.
func TestQuickTLS(t *testing.T) {
	dir := t.TempDir()
	earlier := filepath.Join(t.TempDir(), "earlier")
	build := exec.Command("go", "build", "-o", earlier, "./gateway")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := []string{"gateway", "gateway (net)", "gateway (" + earlier + ")", "net"}
	c, builds := command(t, "--quick", "--workloads", "tls", "--only", "c,"+strings.Join(want, ","),
		"--gateway-flags", "--engine net", "--gateway-binary", earlier, "--out", dir)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	if left := running(t, builds); len(left) > 0 {
		t.Errorf("servers still run: %v", left)
	}
	checkResults(t, filepath.Join(dir, "results.json"), 5, want)
	for _, want := range []string{
		"as a share of the net server's", "### `tls-churn`", "tls-idle-100-gogc-10, bytes", "| × net |",
	} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("standard output has no %q:\n%s", want, stdout.String())
		}
	}
}

// readResults reads a file of results that --out wrote.
func readResults(t *testing.T, path string) result.Results {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var r result.Results
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// checkResults holds that every contestant was measured under every workload, with plausible figures.
func checkResults(t *testing.T, path string, workloads int, want []string) {
	t.Helper()
	r := readResults(t, path)
	if !slices.Equal(r.Contestants, want) || len(r.Workloads) != workloads {
		t.Fatalf("contestants %v, %d workloads; expected %v, %d", r.Contestants, len(r.Workloads), want, workloads)
	}
	measured := make(map[string]result.Measurement)
	for _, m := range r.Measurements {
		measured[m.Workload+" "+m.Contestant] = m
	}
	for _, w := range r.Workloads {
		for _, name := range want {
			m, ok := measured[w.Name+" "+name]
			switch {
			case w.Kind == result.Broadcast && name == "net": // it cannot
				if ok {
					t.Errorf("%s of %s was measured", w.Name, name)
				}
			case !ok || m.Round != 1:
				t.Errorf("%s of %s was not measured", w.Name, name)
			case w.Kind == result.Idle:
				if m.IdleBytes > 100_000 || name != "c" && m.IdleBytes <= 0 {
					t.Errorf("%s of %s: %g bytes each", w.Name, name, m.IdleBytes)
				}
			case m.Count == 0 || m.CPU <= 0 || m.CPU > 2*m.Elapsed || m.LoadCPU <= 0 ||
				m.Latency.P50 <= 0 || m.Latency.P999 < m.Latency.P50:
				t.Errorf("%s of %s: %+v", w.Name, name, m)
			case w.Kind == result.Fixed && m.AskedRate <= 0:
				t.Errorf("%s of %s has no rate", w.Name, name)
			}
		}
	}
}

// TestInterrupt holds that Ctrl-C ends the servers too.
func TestInterrupt(t *testing.T) {
	c, builds := command(t, "--quick", "--only", "net", "--workloads", "echo", "--duration", "2m")
	var stderr bytes.Buffer
	c.Stderr = &stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	for len(running(t, builds)) == 0 {
		select {
		case err := <-ended:
			t.Fatalf("it ended: %v\n%s", err, stderr.String())
		case <-time.After(10 * time.Millisecond):
		}
	}
	if err := c.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := <-ended; !errors.As(err, &exit) || exit.ExitCode() != 1 ||
		!strings.Contains(stderr.String(), "interrupted") {
		t.Errorf("%v; it said:\n%s", err, stderr.String())
	}
	if left := running(t, builds); len(left) > 0 {
		t.Errorf("servers still run: %v", left)
	}
}

// TestErrors holds that errors name the contestant or the flag, and the remedy.
func TestErrors(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"a server that does not start": {
			[]string{"--quick", "--gateway-flags", "--engine steam", "--only", "gateway (steam)", "--workloads", "churn"},
			[]string{"gateway (steam)", `--engine "steam": expected`}},
		"an unknown contestant": {[]string{"--only", "c,perl"}, []string{`"perl"`, "c, gateway, gnet, nbio, net, node"}},
		"an unknown workload":   {[]string{"--workloads", "sleep"}, []string{`"sleep"`, "echo-64-100"}},
		"too few rounds":        {[]string{"--rounds", "-1"}, []string{"--rounds -1", "at least 1"}},
		"no such core":          {[]string{"--server-cores", "1000"}, []string{"core 1000"}},
		"a contestant without TLS": {[]string{"--only", "c", "--workloads", "tls"},
			[]string{"--only", "no contestant is left"}},
		"a flood of nobody": {[]string{"flood", "--half-open", "-1"}, []string{"--half-open -1"}},
		"no such results":   {[]string{"--from", none}, []string{"--from", none}},
		"an argument":       {[]string{"now"}, []string{`"now"`, "--help"}},
	} {
		t.Run(name, func(t *testing.T) {
			run, builds := command(t, c.args...)
			out, err := run.CombinedOutput()
			if err == nil {
				t.Errorf("no error:\n%s", out)
			}
			for _, want := range c.want {
				if !strings.Contains(string(out), want) {
					t.Errorf("it does not say %q:\n%s", want, out)
				}
			}
			if left := running(t, builds); len(left) > 0 {
				t.Errorf("servers still run: %v", left)
			}
		})
	}
}

// TestPinned holds that a server sees its cores and its full limit of open files from its start.
func TestPinned(t *testing.T) {
	available, err := proc.Available()
	if err != nil {
		t.Fatal(err)
	}
	last := available[len(available)-1:]
	c, _ := command(t, proc.PinCommand, last.String(), "sh", "-c", "cat /proc/self/status; ulimit -Sn; ulimit -Hn")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(string(out), "Cpus_allowed_list:\t"+last.String()+"\n") {
		t.Errorf("it does not run on core %s only:\n%s", last, out)
	}
	limits := strings.Fields(string(out))
	if soft, hard := limits[len(limits)-2], limits[len(limits)-1]; soft != hard {
		t.Errorf("it may open %s files; expected %s", soft, hard)
	}
}

func TestShort(t *testing.T) {
	for flags, want := range map[string]string{
		"--engine net": "net", "--engine=net": "net", "--engine net --high-water=1MiB": "net 1MiB", "--loud": "loud", "": "",
	} {
		if got := short(flags); got != want {
			t.Errorf("%s: %q; expected %q", flags, got, want)
		}
	}
}
