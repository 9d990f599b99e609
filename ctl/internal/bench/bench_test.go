package bench

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/ctltest"
)

// TestBenchWithNobody checks the exit codes and messages where nothing listens.
func TestBenchWithNobody(t *testing.T) {
	for words, want := range map[string]int{
		"echo -c 300": app.ExitFailed, "connect -d 1h": app.ExitFailed, "idle -c 5": app.ExitFailed,
		"broadcast": app.ExitUnreachable, "events": app.ExitUnreachable,
	} {
		r := newBenchRun(t.Context(), ctltest.Refused(t))
		if code := r.run(words, ctltest.Refused(t)); code != want {
			t.Errorf("%s: exit code %d, want %d", words, code, want)
		}
		if !strings.Contains(r.stderr.String(), "connection refused") {
			t.Errorf("%s: %s", words, r.stderr)
		}
		if want == app.ExitFailed && !strings.Contains(r.stdout.String(), "(refused ") {
			t.Errorf("%s: %s", words, r.stdout)
		}
	}
}

// TestBenchGivesUp holds that ctl stops trying where nothing listens.
func TestBenchGivesUp(t *testing.T) {
	r := newBenchRun(t.Context(), "127.0.0.1:1")
	code := r.run("echo -c 5000 -o json", ctltest.Refused(t))
	var got echoResult
	if r.result(t, &got); code != app.ExitFailed || got.Failures > 2*maxDialers {
		t.Errorf("exit code %d after %d attempts", code, got.Failures)
	}
}

// TestBenchBounds holds that impossible values are refused before anything is opened.
func TestBenchBounds(t *testing.T) {
	for words, want := range map[string]string{
		"": "bench needs to know what to measure: one of broadcast, connect, echo, events, " +
			"handler, idle",
		"nothing":                         `bench "nothing" is not known`,
		"echo":                            "echo expects one ADDR, host:port or unix:///path, and was given 0 arguments",
		"echo x":                          `"x" is not an address`,
		"echo x:1 -o name":                "-o name prints IDs; bench has none",
		"echo x:1 -c 0":                   "0 connections are not possible; give 1 to 250000",
		"echo x:1 -c 250001":              "250001 connections are not possible",
		"idle x:1 -c 250000":              "raise the limit",
		"echo x:1 --size 0":               "--size 0 is not possible; give 1 to 1048576 bytes",
		"echo x:1 --size 1048577":         "--size 1048577 is not possible",
		"echo x:1 --pipeline 0":           "--pipeline 0 is not possible; give 1 to 1000",
		"echo x:1 --pipeline 1001":        "--pipeline 1001 is not possible",
		"echo x:1 -c 20000 -p 1000":       "20000 connections with 1000 messages in flight each are too many",
		"echo x:1 -d 0s":                  "--duration 0s is not possible",
		"echo x:1 -d 25h":                 "--duration 25h0m0s is not possible",
		"echo x:1 --warmup -1s":           "--warmup -1s is not possible",
		"echo x:1 --rate -1":              "--rate -1 is not possible",
		"echo x:1 --rate NaN":             "--rate NaN is not possible",
		"echo x:1 --rate 1e-9":            "--rate 1e-09 is not possible; give 0.001 to 10000000 a second",
		"echo x:1 --source here":          `--source "here" is not an IP address`,
		"echo unix:///x --source ::1":     "--source is for TCP",
		"connect x:1 --concurrency 10001": "--concurrency 10001 is not possible; give 1 to 10000",
		"connect x:1 --size -1":           "--size -1 is not possible; give 0 to",
		"broadcast x:1 --size 15":         "--size 15 is not possible; give 16 to 524288 bytes",
		"broadcast x:1 --count 0":         "--count 0 is not possible; give 1 to 1000000",
		"broadcast unix:///x":             "peers on a unix socket have no address",
		"events x:1 --streams 1001":       "--streams 1001 is not possible; give 1 to 1000",
	} {
		r := newBenchRun(t.Context(), "127.0.0.1:1")
		r.dial = func(context.Context, string, string) (net.Conn, error) {
			t.Errorf("%q: something was dialed", words)
			return nil, io.EOF
		}
		if words == "idle x:1 -c 250000" && descriptorLimit() > 250_000 {
			continue
		}
		if code := r.run(words); code != app.ExitUsage || !strings.Contains(r.stderr.String(), want) ||
			r.stdout.String() != "" {
			t.Errorf("%q: exit code %d: %s%s", words, code, r.stdout, r.stderr)
		}
	}
	if err := checkDescriptors(1000, 1024); err == nil || !strings.Contains(err.Error(),
		"1000 sockets need 1032 descriptors, and this process may have 1024") ||
		!strings.Contains(err.Error(), "at most 992") {
		t.Errorf("%v", err)
	}
	if checkDescriptors(992, 1024) != nil || checkDescriptors(1e6, 0) != nil {
		t.Error("what there is room for is refused")
	}
}

// TestBenchProgress holds that progress is for terminals only, that it is wiped out, and that its colour can be turned
// off.
func TestBenchProgress(t *testing.T) {
	addr := ctltest.Serve(t, ctltest.Listen(t), ctltest.Echo)
	for _, tt := range []struct {
		terminal  bool
		variables map[string]string
		args      string
		shown     bool
		coloured  bool
	}{
		{true, nil, "", true, true},
		{false, nil, "", false, false},
		{true, map[string]string{"TERM": "dumb"}, "", false, false},
		{true, map[string]string{"NO_COLOR": "1"}, "", true, false},
		{true, nil, " --no-color", true, false},
	} {
		r := newBenchRun(t.Context(), "127.0.0.1:1")
		r.terminal, r.variables = tt.terminal, tt.variables
		if code := r.run("echo -c 1 --warmup 0s -d 300ms -o json"+tt.args, addr); code != app.ExitDone {
			t.Errorf("exit code %d: %s", code, r.stderr)
		}
		text, _, _ := strings.Cut(r.stderr.String(), "ctl: ") // notes come behind it
		if shown := strings.Contains(text, "echo       ["); shown != tt.shown || !shown && text != "" || shown &&
			!strings.HasSuffix(text, "\r\x1b[K") {
			t.Errorf("%+v: %q", tt, text)
		}
		if coloured := strings.Contains(text, "\x1b[32m"); coloured != tt.coloured {
			t.Errorf("%+v: %q", tt, text)
		}
		if strings.Contains(r.stdout.String(), "\x1b") {
			t.Errorf("%+v: stdout %q", tt, r.stdout)
		}
	}
	line := progressLine(false, "echo", 0.5, "text")
	if fmt.Sprint(line) != "[echo       [ ############ ------------] text]" {
		t.Errorf("%q", line)
	}
}
