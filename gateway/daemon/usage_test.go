package daemon_test

import (
	"os"
	"strings"
	"testing"

	"github.com/sockgate/sockgate/gateway/server"
)

// TestUsage checks that every mistake is refused with 2 and a sentence that names it and the expected form.
func TestUsage(t *testing.T) {
	long := strings.Repeat("a", 33)
	for _, c := range []struct {
		args []string
		env  []string
		file string
		want []string
	}{
		{args: []string{"--nonsense"}, want: []string{"--nonsense"}},
		{args: []string{"-x"}, want: []string{"'x'"}},
		{args: []string{"start"}, want: []string{`"start"`, "flags"}},
		{args: []string{"--node"}, want: []string{"--node", "needs an argument"}},
		{args: []string{"--node", "Edge_1"}, want: []string{"--node", `"Edge_1"`, "expected 1 to 32"}},
		{args: []string{"--node", long}, want: []string{"--node", long, "expected 1 to 32"}},
		{args: []string{"--handler", "relay"}, want: []string{"--handler", `"relay"`, "echo, sink or remote:NAME"}},
		{args: []string{"--handler", "remote:"}, want: []string{"--handler", `"remote:"`, "1 to 32 of a-z, 0-9 and -"}},
		{args: []string{"--handler", "remote:Jt808"}, want: []string{"--handler", `"remote:Jt808"`, "a-z, 0-9 and -"}},
		{args: []string{"--handler", "remote:" + strings.Repeat("x", 33)}, want: []string{"--handler", "1 to 32"}},
		{args: []string{"--handler", "remote:a", "--greeting", "x"}, want: []string{"--greeting", "handler=sink"}},
		{args: []string{"--listen", ":1 handler=sink", "--echo-prefix", ">"}, want: []string{"--echo-prefix"}},
		{args: []string{"--engine", "warp"}, want: []string{"--engine", `"warp"`, "expected auto, " +
			strings.Join(server.Engines(), " or ")}},
		{args: []string{"--idle-action", "x"}, want: []string{"--idle-action", `"x"`, "close or notify"}},
		{args: []string{"--log-level", "loud"}, want: []string{"--log-level", `"loud"`,
			"expected trace, debug, info, warn or error"}},
		{args: []string{"--log-format", "xml"}, want: []string{"--log-format", `"xml"`, "text or json"}},
		{args: []string{"--idle-timeout", "5"}, want: []string{"--idle-timeout", `"5"`, "expected", "30s"}},
		{args: []string{"--idle-timeout", "-1s"}, want: []string{"--idle-timeout -1s", "expected 0"}},
		{args: []string{"--drain-timeout", "0"}, want: []string{"--drain-timeout", "more than 0"}},
		{args: []string{"--write-timeout", "-1s"}, want: []string{"--write-timeout", "-1s", "more than 0"}},
		{args: []string{"--max-connections", "many"}, want: []string{"--max-connections", `"many"`, "whole number"}},
		{args: []string{"--max-connections", "-1"}, want: []string{"--max-connections", "-1", "expected 0"}},
		{args: []string{"--event-log-size", "0"}, want: []string{"--event-log-size", "at least 1"}},
		{args: []string{"--event-log-size", "16777217"}, want: []string{"event log size", "16777217", "16777216"}},
		{args: []string{"--high-water", "0"}, want: []string{"--high-water", "at least 1"}},
		{args: []string{"--high-water", "64XB"}, want: []string{"--high-water", `"64XB"`, "64KiB"}},
		{args: []string{"--send-queue-limit", "1KiB"}, want: []string{"--send-queue-limit 1KiB", "--high-water, 64KiB"}},
		{args: []string{"--send-queue-limit", "0"}, want: []string{"--send-queue-limit", "at least 1"}},
		{args: []string{"--greeting", strings.Repeat("x", 32<<10+1)}, want: []string{"--greeting", "32769", "32768"}},
		{args: []string{"--echo-prefix", ">", "--handler", "sink"}, want: []string{"--echo-prefix", "--handler echo"}},
		{args: []string{"--listen", "8017"}, want: []string{"--listen", `"8017"`, "host:port"}},
		{args: []string{"--listen", "127.0.0.1:70000"}, want: []string{"--listen", "70000"}},
		{args: []string{"--listen", "unix://relative"}, want: []string{"--listen", "absolute path"}},
		{args: []string{"--listen", ""}, want: []string{"--listen", `""`, "host:port"}},
		{args: []string{"--listen", "a=:0", "--listen", "a=:0"}, want: []string{`"a"`, "unique"}},
		{args: []string{"--control", ":8018"}, want: []string{"--control :8018", "not a loopback address", "unix:///path"}},
		{args: []string{"--control", "0.0.0.0:1"}, want: []string{"--control 0.0.0.0:1", "not a loopback address"}},
		{args: []string{"--control", "[::]:1"}, want: []string{"--control [::]:1", "not a loopback address"}},
		{args: []string{"--control", "192.0.2.1:1"}, want: []string{"--control 192.0.2.1:1", "not a loopback address"}},
		{args: []string{"--control", "gateway.example:1"}, want: []string{"--control gateway.example:1",
			"not a loopback address"}},
		{args: []string{"--control", "localhost.example:1"}, want: []string{"not a loopback address"}},
		{args: []string{"--control", "127.0.0.1"}, want: []string{"--control", "host:port"}},
		{args: []string{"--control", "127.0.0.1:70000"}, want: []string{"--control", "70000"}},
		{args: []string{"--control", ""}, want: []string{"--control", "host:port"}},
		{args: []string{"--control", "unix://relative"}, want: []string{"--control", "absolute path"}},
		{args: []string{"--config", "/nowhere/gateway.yaml"}, want: []string{"--config", "/nowhere/gateway.yaml"}},
		{args: []string{"--config", os.TempDir()}, want: []string{"--config", os.TempDir()}},

		{env: []string{"SOCKGATE_IDLE_TIMEOUT=soon"}, want: []string{"SOCKGATE_IDLE_TIMEOUT", `"soon"`, "expected", "30s"}},
		{env: []string{"SOCKGATE_MAX_CONNECTIONS="}, want: []string{"SOCKGATE_MAX_CONNECTIONS", `""`, "whole number"}},
		{env: []string{"SOCKGATE_HIGH_WATER=lots"}, want: []string{"SOCKGATE_HIGH_WATER", `"lots"`, "64KiB"}},
		{env: []string{"SOCKGATE_CONTROL=:8018"}, want: []string{"--control :8018", "not a loopback address"}},
		{env: []string{"SOCKGATE_CONFIG=/nowhere/gateway.yaml"}, want: []string{"/nowhere/gateway.yaml"}},

		{file: "idel-timeout: 5m", want: []string{"gateway.yaml", `unknown key "idel-timeout"`, "idle-timeout"}},
		{file: "idle_timeout: 5m", want: []string{`unknown key "idle_timeout"`}},
		{file: "idle: {timeout: 5m}", want: []string{`unknown key "idle.timeout"`}},
		{file: "handler: {echo: true}", want: []string{`unknown key "handler.echo"`}},
		{file: "config: other.yaml", want: []string{`unknown key "config"`}},
		{file: "help: true", want: []string{`unknown key "help"`}},
		{file: "version: 1", want: []string{`unknown key "version"`}},
		{file: "idle-timeout: 5", want: []string{"gateway.yaml", "idle-timeout", `"5"`, "30s"}},
		{file: "idle-timeout:", want: []string{"idle-timeout", "no value"}},
		{file: "listen:", want: []string{"listen", "no value"}},
		{file: "listen: []", want: []string{"--listen", "at least one"}},
		{file: "listen: [8017]", want: []string{"--listen", `"8017"`, "host:port"}},
		{file: "handler: [echo]", want: []string{"--handler", "echo, sink or remote:NAME"}},
		{env: []string{"SOCKGATE_LISTEN=:1 frame=varint,offse=4"}, want: []string{"--listen", `"offse=4" is no option`}},
		{file: "max-connections: 1.5", want: []string{"max-connections", `"1.5"`, "whole number"}},
		{file: "handler: echo\nhandler: sink", want: []string{"gateway.yaml", "YAML", "already defined"}},
		{file: "handler: 'echo", want: []string{"gateway.yaml", "YAML", "unexpected end"}},
		{file: "just text", want: []string{"gateway.yaml", "YAML"}},
		{file: "- handler", want: []string{"gateway.yaml", "YAML"}},
	} {
		args := c.args
		if c.file != "" {
			args = append([]string{"--config", write(t, c.file)}, args...)
		}
		code, stdout, stderr := run(c.env, args...)
		if code != 2 || stdout != "" || !strings.HasPrefix(stderr, "gateway: ") ||
			!strings.HasSuffix(stderr, "\nSee gateway --help.\n") ||
			strings.Contains(stderr, "listening") {
			t.Errorf("%.100q %q %q: exit %d, stdout %q, stderr %q", c.args, c.env, c.file, code, stdout, stderr)
		}
		for _, want := range c.want {
			if !strings.Contains(stderr, want) {
				t.Errorf("%.100q %q %q: %q has no %q", c.args, c.env, c.file, stderr, want)
			}
		}
	}
}

// TestHelp checks the help and the version: they go to stdout, with exit code 0.
func TestHelp(t *testing.T) {
	code, stdout, stderr := run(nil, "--version")
	if code != 0 || !strings.HasPrefix(stdout, "gateway version ") || strings.Count(stdout, "\n") != 1 || stderr != "" {
		t.Errorf("exit %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	code, stdout, stderr = run([]string{"SOCKGATE_HANDLER=x"}, "--help")
	if code != 0 || stderr != "" {
		t.Errorf("exit %d, stderr %q", code, stderr)
	}
	for _, flag := range []string{"node", "listen", "control", "handler", "greeting", "echo-prefix", "idle-timeout",
		"idle-action", "max-connections", "high-water", "send-queue-limit", "write-timeout", "drain-timeout",
		"event-log-size", "engine", "log-level", "log-format", "config"} {
		if !strings.Contains(stdout, "--"+flag+" ") {
			t.Errorf("help has no --%s", flag)
		}
	}
}

// TestStrangeFiles checks that a file that is no configuration is refused with a short sentence.
func TestStrangeFiles(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"node: " + strings.Repeat("x", 2<<20):       "longer than",
		"node: " + strings.Repeat("x", 1<<19):       "expected 1 to 32",
		"? " + strings.Repeat("x", 1<<19) + "\n: 1": "unknown key",
		"node: edge-1\n---\nnode: edge-2\n":         "more than one YAML document",
		"---\nnode: EDGE\n":                         "expected 1 to 32",
	} {
		code, _, stderr := run(nil, append([]string{"--config", write(t, text)}, loopback[:4]...)...)
		if code != 2 || !strings.Contains(stderr, want) || len(stderr) > 4096 {
			t.Errorf("%.30q…: exit %d, %d bytes: %.300s; expected %q", text, code, len(stderr), stderr, want)
		}
	}
}
