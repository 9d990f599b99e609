package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/ctltest"
)

// ctlIn runs these words with a configuration directory of its own, and returns the outputs.
func ctlIn(t *testing.T, dir string, variables map[string]string, words string) (code int, stdout, stderr string) {
	t.Helper()
	run := &invocation{ctx: t.Context(), gateway: variables["SOCKGATE_GATEWAY"], configDir: dir, variables: variables,
		stdout: ctltest.NewOutput(), stderr: ctltest.NewOutput()}
	code = run.run(strings.Fields(words)...)
	return code, run.stdout.String(), run.stderr.String()
}

// mustCtl is ctlIn for words that must succeed without a message.
func mustCtl(t *testing.T, dir, words string) string {
	t.Helper()
	code, stdout, stderr := ctlIn(t, dir, nil, words)
	if code != app.ExitDone || stderr != "" {
		t.Fatalf("ctl %s: exit code %d: %s", words, code, stderr)
	}
	return stdout
}

// Contexts are added, chosen, listed and removed, in a file that is its owner's alone and has no secret.
func TestContexts(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "sockgate", "contexts.yaml")
	mustCtl(t, dir, "context add dev --gateway 127.0.0.1:8018")
	mustCtl(t, dir, "context add prod --gateway gw.example.org:8018 --tls-ca /etc/ca.pem --token-file token --use")
	cwd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	want := `CURRENT   NAME   GATEWAY               TLS   TOKEN
-         dev    127.0.0.1:8018        no    -
*         prod   gw.example.org:8018   yes   ` + cwd + "/token\n"
	if got := mustCtl(t, dir, "context list"); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if got := mustCtl(t, dir, "context list -o name"); got != "dev\nprod\n" {
		t.Errorf("names %q", got)
	}
	want = `{"current":false,"name":"dev","gateway":"127.0.0.1:8018","tls":false}` + "\n" +
		`{"current":true,"name":"prod","gateway":"gw.example.org:8018","tls":true,"tlsCa":"/etc/ca.pem","tokenFile":"` + cwd +
		`/token"}` + "\n"
	if got := mustCtl(t, dir, "context list -o json"); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	for path, mode := range map[string]os.FileMode{file: 0o600, filepath.Dir(file): 0o700 | os.ModeDir} {
		if info, err := os.Stat(path); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	mustCtl(t, dir, "context use dev")
	if got := mustCtl(t, dir, "context show"); !strings.Contains(got, "gateway       127.0.0.1:8018\n") {
		t.Errorf("got:\n%s", got)
	}
	if got := mustCtl(t, dir, "context show prod -o json"); !strings.HasPrefix(got, `{"name":"prod",`) {
		t.Errorf("got:\n%s", got)
	}
	if code, stdout, _ := ctlIn(t, dir, nil, "__complete context use p"); code != 0 ||
		stdout != "prod\tgw.example.org:8018\n:4\n" {
		t.Errorf("completes to %q", stdout)
	}
	if code, _, stderr := ctlIn(t, dir, nil, "context remove dev"); code != 0 ||
		stderr != "ctl: dev was the current context; there is none now\n" {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if code, _, _ := ctlIn(t, dir, nil, "context remove dev"); code != app.ExitNotFound {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Stat(file + ".lock"); err == nil {
		t.Error("the lock was left behind")
	}
}

// Each setting comes from the flag, else the environment, else the chosen context, else the current one, else the
// default.
func TestAccessPrecedence(t *testing.T) {
	dir := t.TempDir()
	mustCtl(t, dir, "context add one --gateway one:1 --tls-ca /one.pem --token-file /one.token")
	mustCtl(t, dir, "context add two --gateway two:2 --tls-ca /two.pem --tls-cert /two-cert.pem --tls-key /two-key.pem")
	mustCtl(t, dir, "context add plain --gateway 127.0.0.1:3")
	env := func(pairs ...string) map[string]string {
		m := map[string]string{}
		for _, p := range pairs {
			key, value, _ := strings.Cut(p, "=")
			m["SOCKGATE_"+key] = value
		}
		return m
	}
	const one = `"gateway":"one:1","tls":true,"tlsCa":"/one.pem","tokenFile":"/one.token"`
	tests := []struct {
		name      string
		variables map[string]string
		flags     string
		want      string
	}{
		{"current context", nil, "", one},
		{"chosen by flag", env("CONTEXT=one"), "--context two",
			`"gateway":"two:2","tls":true,"tlsCa":"/two.pem","tlsCert":"/two-cert.pem","tlsKey":"/two-key.pem"`},
		{"chosen by environment", env("CONTEXT=plain"), "", `"gateway":"127.0.0.1:3","tls":false`},
		{"environment goes before context", env("TLS_CA=/env.pem"), "",
			`"gateway":"one:1","tls":true,"tlsCa":"/env.pem","tokenFile":"/one.token"`},
		{"flag goes before environment", env("TLS_CA=/env.pem"), "--tls-ca /flag.pem",
			`"gateway":"one:1","tls":true,"tlsCa":"/flag.pem","tokenFile":"/one.token"`},
		{"another address leaves the current context aside", nil, "--gateway 127.0.0.1:9",
			`"gateway":"127.0.0.1:9","tls":false`},
		{"another address of the environment does, too", env("GATEWAY=127.0.0.1:9"), "",
			`"gateway":"127.0.0.1:9","tls":false`},
		{"the same address does not", env("GATEWAY=one:1"), "", one},
		{"nor does a context that was chosen", nil, "--gateway 127.0.0.1:9 --context one",
			`"gateway":"127.0.0.1:9","tls":true,"tlsCa":"/one.pem","tokenFile":"/one.token"`},
		{"an empty flag takes away", nil, "--token-file=", `"gateway":"one:1","tls":true,"tlsCa":"/one.pem"`},
		{"no TLS", nil, "--tls=false --token-file=", `"gateway":"one:1","tls":false`},
		{"TLS", env("TLS=1"), "--context plain", `"gateway":"127.0.0.1:3","tls":true`},
		{"a pair is never mixed", nil, "--context two --tls-cert /a.pem --tls-key /b.pem",
			`"gateway":"two:2","tls":true,"tlsCa":"/two.pem","tlsCert":"/a.pem","tlsKey":"/b.pem"`},
		{"the token itself goes before the context's file", env("TOKEN=sgt_x"), "",
			`"gateway":"one:1","tls":true,"tlsCa":"/one.pem"`},
	}
	for _, tt := range tests {
		code, stdout, stderr := ctlIn(t, dir, tt.variables, "context show -o json "+tt.flags)
		if want := `{"name":"",` + tt.want + "}\n"; code != app.ExitDone || stdout != want {
			t.Errorf("%s: exit code %d\ngot  %swant %s%s", tt.name, code, stdout, want, stderr)
		}
	}
	if code, _, stderr := ctlIn(t, dir, nil, "context show --context two --tls-cert /a.pem"); code != app.ExitUsage ||
		!strings.Contains(stderr, "only one of the two") {
		t.Errorf("half a pair: exit code %d: %s", code, stderr)
	}
	if code, stdout, _ := ctlIn(t, t.TempDir(), nil, "context show -o json"); code != 0 ||
		stdout != `{"name":"","gateway":"127.0.0.1:8018","tls":false}`+"\n" {
		t.Errorf("default: %s", stdout)
	}
}

// A file of contexts that is damaged or that others could have changed is not used, and stays as it is.
func TestContextFileThatCannotBeUsed(t *testing.T) {
	good := "current: a\ncontexts:\n  - name: a\n    gateway: 127.0.0.1:1\n"
	tests := []struct {
		name, text string
		mode       os.FileMode
		words      string
	}{
		{"others can write it", good, 0o620, "can be changed by others than its owner (mode 0620)"},
		{"no YAML", "contexts: [", 0o600, "is damaged"},
		{"another field", good + "    password: x\n", 0o600, "field password not found"},
		{"no such current one", "current: b\ncontexts: []\n", 0o600, "is not among them"},
		{"a name twice", good + "  - name: a\n    gateway: 127.0.0.1:2\n", 0o600, "two contexts of the name"},
		{"a bad name", "contexts:\n  - name: a b\n    gateway: 127.0.0.1:1\n", 0o600, "not the name of a context"},
		{"a bad address", "contexts:\n  - name: a\n    gateway: nowhere\n", 0o600, "is not an address"},
		{"too long", "# " + strings.Repeat("x", app.MaxContextFile), 0o600, "more than 1MiB"},
	}
	for _, tt := range tests {
		path := filepath.Join(t.TempDir(), "contexts")
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, tt.mode); err != nil {
			t.Fatal(err)
		}
		for _, words := range []string{"context list", "info", "context add b --gateway 127.0.0.1:2"} {
			code, _, stderr := ctlIn(t, t.TempDir(), map[string]string{"SOCKGATE_CONTEXTS": path}, words)
			if code != app.ExitFailed || !strings.Contains(stderr, tt.words) || !strings.Contains(stderr, path) {
				t.Errorf("%s: ctl %s: exit code %d: %.300s", tt.name, words, code, stderr)
			}
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != tt.text {
			t.Errorf("%s: the file was changed (%v)", tt.name, err)
		}
	}
}

// Two runs never change the contexts at the same time, and the target of a link stays in its place.
func TestContextFileIsLocked(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "real"), filepath.Join(dir, "link")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	variables := map[string]string{"SOCKGATE_CONTEXTS": link}
	if code, _, stderr := ctlIn(t, dir, variables, "context add a --gateway 127.0.0.1:1"); code != app.ExitDone {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is one no more: %v, %v", info, err)
	}
	if err := os.WriteFile(path+".lock", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := ctlIn(t, dir, variables, "context add b --gateway 127.0.0.1:1")
	if code != app.ExitFailed || !strings.Contains(stderr, "real.lock exists: another ctl is changing") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

// Names and settings that cannot be a context are refused.
func TestContextUsage(t *testing.T) {
	for words, want := range map[string]string{
		"context":            "one of add, list, remove, show, use",
		"context frobnicate": `"frobnicate" is not known`,
		"context add a":      "give --gateway ADDR",
		"context add -- -a":  "cannot be the name",
		"context use a":      "there is no context",
		"context add a b":    "one NAME",
		"context show a":     "there is no context",
		"context add a --gateway gw:1 --token-file t": "in plain text",
	} {
		if code, _, stderr := ctlIn(t, t.TempDir(), nil, words); code != app.ExitUsage || !strings.Contains(stderr, want) {
			t.Errorf("ctl %s: exit code %d: %s", words, code, stderr)
		}
	}
	if code, _, stderr := ctlIn(t, "", nil, "context add a --gateway 127.0.0.1:1"); code != app.ExitFailed ||
		!strings.Contains(stderr, "SOCKGATE_CONTEXTS") {
		t.Errorf("without a home: exit code %d: %s", code, stderr)
	}
}
