package daemon

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// TestPrecedence checks for each flag that its value comes from the command line, else from the environment, else from
// the file.
func TestPrecedence(t *testing.T) {
	values := map[string][4]string{ // in the file, in the environment, on the command line; the default
		"node":             {"a", "b", "c", ""},
		"listen":           {"[':1', 'x=:2']", ":3,y=:4", ":5", "[:8017]"},
		"control":          {"127.0.0.1:1", "127.0.0.1:2", "unix:///c", "127.0.0.1:8018"},
		"handler":          {"sink", "echo", "sink", "echo"},
		"greeting":         {"a: b", "b, c", "c", ""},
		"echo-prefix":      {"a", "b", "c", ""},
		"idle-timeout":     {"1m0s", "2m0s", "3m0s", "0s"},
		"idle-action":      {"notify", "close", "notify", "close"},
		"max-connections":  {"1000000", "2", "3", "0"},
		"high-water":       {"1KiB", "2KiB", "3KiB", "64KiB"},
		"send-queue-limit": {"1MiB", "2MiB", "3MiB", "1MiB"},
		"write-timeout":    {"1s", "2s", "3s", "30s"},
		"drain-timeout":    {"1s", "2s", "3s", "30s"},
		"event-log-size":   {"1000", "2000", "3000", "65536"},
		"engine":           {"net", "auto", "net", "auto"},
		"log-level":        {"debug", "warn", "error", "info"},
		"log-format":       {"json", "text", "json", "text"},

		"tls-cert":        {"['a.pem', 'b.pem']", "c.pem,d.pem", "e.pem", "[]"},
		"tls-key":         {"['a.pem', 'b.pem']", "c.pem,d.pem", "e.pem", "[]"},
		"tls-client-ca":   {"['a.pem', 'b.pem']", "c.pem,d.pem", "e.pem", "[]"},
		"tls-client-auth": {"request", "require", "off", ""},
		"tls-min-version": {"1.2", "1.3", "1.2", ""},
		"tls-alpn":        {"[a, b]", "c,d", "e", "[]"},
		"proxy-protocol":  {"optional", "required", "optional", "off"},
		"proxy-trusted":   {"['10.0.0.0/8', '::/0']", "192.0.2.1,10.1.2.3/8", "::1", "[]"},

		"max-connections-per-ip":           {"1", "2", "3", "0"},
		"max-connections-per-ipv6-network": {"1", "2", "3", "0"},
		"accept-rate":                      {"1.5", "2", "0.5", "0"},
		"accept-burst":                     {"1", "2", "3", "0"},
		"accept-rate-per-ip":               {"1.5", "2", "0.5", "0"},
		"accept-burst-per-ip":              {"1", "2", "3", "0"},
		"allow":                            {"['10.0.0.0/8', '::/0']", "192.0.2.1,10.1.2.3/8", "::1", "[]"},
		"deny":                             {"['10.0.0.0/8', '::/0']", "192.0.2.1,10.1.2.3/8", "::1", "[]"},
		"handshake-timeout":                {"1s", "2s", "3s", "10s"},
		"max-handshakes":                   {"1", "2", "3", "1024"},
		"first-byte-timeout":               {"1s", "2s", "3s", "0s"},
		"receive-rate":                     {"1KiB", "2KiB", "3KiB", "0"},
		"receive-message-rate":             {"1", "2", "3", "0"},
		"queue-budget":                     {"1KiB", "2KiB", "3KiB", "auto"},
		"hold-timeout":                     {"1s", "2s", "3s", "30s"},
		"max-held":                         {"1", "2", "3", "0"},
		"admit-timeout":                    {"1s", "2s", "3s", "10s"},
		"handler-window":                   {"5KiB", "6KiB", "7KiB", "64KiB"},
		"handler-budget":                   {"1KiB", "2KiB", "3KiB", "auto"},
		"control-memory":                   {"16MiB", "17MiB", "18MiB", "64MiB"},
		"state-dir":                        {"/a", "/b", "/c", ""},

		"control-auth":          {"required", "auto", "required", "auto"},
		"control-tls-cert":      {"a.pem", "b.pem", "c.pem", ""},
		"control-tls-key":       {"a.pem", "b.pem", "c.pem", ""},
		"control-tls-client-ca": {"['a.pem', 'b.pem']", "c.pem,d.pem", "e.pem", "[]"},
		"control-token-file":    {"a", "b", "c", ""},
		"control-role": {"['uid:1=viewer', 'a=b=admin']", "uid:2=viewer,c=admin", "spiffe://d/*=operator",
			"[]"},
		"control-max-connection-age": {"1m0s", "2m0s", "3m0s", "1h0m0s"},

		"fleet":                 {"a", "b", "c", ""},
		"cluster-listen":        {"a:1", "b:2", "c:3", ""},
		"cluster-join":          {"[':1', 'x=:2']", ":3,y=:4", ":5", "[]"},
		"cluster-tls-cert":      {"a.pem", "b.pem", "c.pem", ""},
		"cluster-tls-key":       {"a.pem", "b.pem", "c.pem", ""},
		"cluster-tls-ca":        {"a.pem", "b.pem", "c.pem", ""},
		"nats-url":              {"[':1', 'x=:2']", ":3,y=:4", ":5", "[]"},
		"nats-tls-ca":           {"a.pem", "b.pem", "c.pem", ""},
		"nats-tls-cert":         {"a.pem", "b.pem", "c.pem", ""},
		"nats-tls-key":          {"a.pem", "b.pem", "c.pem", ""},
		"nats-creds":            {"a", "b", "c", ""},
		"fleet-control-address": {"a:1", "b:2", "c:3", ""},
		"fleet-peer-role":       {"['uid:1=viewer', 'a=b=admin']", "uid:2=viewer,c=admin", "spiffe://d/*=operator", "[]"},
	}
	lists := map[string]string{"[':1', 'x=:2']": "[:1,x=:2]", ":3,y=:4": "[:3,y=:4]", ":5": "[:5]",
		"['a.pem', 'b.pem']": "[a.pem,b.pem]", "c.pem,d.pem": "[c.pem,d.pem]", "e.pem": "[e.pem]", "[a, b]": "[a,b]",
		"c,d": "[c,d]", "e": "[e]",
		"['10.0.0.0/8', '::/0']": "[10.0.0.0/8,::/0]", "192.0.2.1,10.1.2.3/8": "[192.0.2.1/32,10.0.0.0/8]",
		"::1":                           "[::1/128]",
		"['uid:1=viewer', 'a=b=admin']": "[uid:1=viewer,a=b=admin]", "uid:2=viewer,c=admin": "[uid:2=viewer,c=admin]",
		"spiffe://d/*=operator": "[spiffe://d/*=operator]"}
	for _, name := range flagNames(settled(t, nil, nil, "")) {
		v, ok := values[name]
		if !ok {
			t.Errorf("--%s is not tested", name)
			continue
		}
		file := name + ": " + quoted(v[0])
		environ := []string{variable(name) + "=" + v[1]}
		args := []string{"--" + name, v[2]}
		for _, c := range []struct {
			flags *pflag.FlagSet
			want  string
		}{
			{settled(t, nil, nil, ""), v[3]},
			{settled(t, nil, nil, file), v[0]},
			{settled(t, nil, environ, ""), v[1]},
			{settled(t, nil, environ, file), v[1]},
			{settled(t, args, nil, file), v[2]},
			{settled(t, args, environ, ""), v[2]},
			{settled(t, args, environ, file), v[2]},
		} {
			want := c.want
			if list, ok := lists[want]; ok {
				want = list
			}
			if got := c.flags.Lookup(name).Value.String(); got != want {
				t.Errorf("--%s is %q; expected %q", name, got, want)
			}
		}
	}
}

// quoted makes a YAML value. A list stays a list.
func quoted(text string) string {
	if strings.HasPrefix(text, "[") {
		return text
	}
	return "'" + text + "'"
}

// settled returns the flags after everything has been read.
func settled(t *testing.T, args, environ []string, file string) *pflag.FlagSet {
	t.Helper()
	command := newCommand(&Process{})
	command.InitDefaultHelpFlag()
	command.InitDefaultVersionFlag()
	if err := command.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	path := ""
	if file != "" {
		path = filepath.Join(t.TempDir(), "gateway.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if unknown, err := load(command.Flags(), path, environ); err != nil || len(unknown) > 0 {
		t.Fatal(unknown, err)
	}
	return command.Flags()
}

// TestForms checks the forms of values in the file and the environment.
func TestForms(t *testing.T) {
	for _, c := range []struct{ file, env, name, want string }{
		{file: "high-water: 4096", name: "high-water", want: "4KiB"},
		{file: "queue-budget: off", name: "queue-budget", want: "0"},
		{file: "queue-budget: 0", name: "queue-budget", want: "0"},
		{file: "handler-budget: off", name: "handler-budget", want: "0"},
		{env: "SOCKGATE_HANDLER_BUDGET=auto", file: "handler-budget: 1KiB", name: "handler-budget", want: "auto"},
		{env: "SOCKGATE_HOLD_TIMEOUT=0", name: "hold-timeout", want: "0s"},
		{env: "SOCKGATE_QUEUE_BUDGET=auto", file: "queue-budget: 1KiB", name: "queue-budget", want: "auto"},
		{file: "max-connections: 1000000", name: "max-connections", want: "1000000"},
		{file: "listen: ':1, x=:2'", name: "listen", want: "[:1,x=:2]"},
		{file: "listen: [\":1\"]", name: "listen", want: "[:1]"},
		{file: "listen: ['x=unix:///a,b']", name: "listen", want: `["x=unix:///a,b"]`},
		{file: "greeting: ''", name: "greeting", want: ""},
		{file: "# nothing\n", name: "handler", want: "echo"},
		{env: "SOCKGATE_LISTEN=:1 , x=:2", name: "listen", want: "[:1,x=:2]"},
		{env: "SOCKGATE_GREETING=a=b", name: "greeting", want: "a=b"},
		{env: "SOCKGATE_GREETING=", name: "greeting", want: ""},
	} {
		var environ []string
		if c.env != "" {
			environ = []string{c.env}
		}
		if got := settled(t, nil, environ, c.file).Lookup(c.name).Value.String(); got != c.want {
			t.Errorf("%s%s: --%s is %q; expected %q", c.file, c.env, c.name, got, c.want)
		}
	}
}

// TestForeignVariables checks which variables of the environment are reported.
func TestForeignVariables(t *testing.T) {
	command := newCommand(&Process{})
	command.InitDefaultHelpFlag()
	command.InitDefaultVersionFlag()
	unknown, err := load(command.Flags(), "", []string{"SOCKGATE_GATEWAY=10.0.0.1:8018", "SOCKGATE_VERSION=1.2.3",
		"SOCKGATE_HELP=x", "SOCKGATE_PORT=tcp://1", "SOCKGATE_CONFIG=x", "SOCKGATE",
		"SOCKGATEWAY_HANDLER=sink", "OTHER_HANDLER=sink", "SOCKGATE_IDEL_TIMEOUT=5"})
	slices.Sort(unknown)
	if want := []string{"SOCKGATE_HELP", "SOCKGATE_IDEL_TIMEOUT", "SOCKGATE_PORT", "SOCKGATE_VERSION"}; err != nil ||
		!slices.Equal(unknown, want) {
		t.Errorf("%v, %v; expected %v", unknown, err, want)
	}
}

func TestByteSize(t *testing.T) {
	for _, c := range []struct {
		text  string
		bytes int
		back  string
	}{
		{"0", 0, "0"}, {"1", 1, "1"}, {"65536", 65536, "64KiB"}, {"1000", 1000, "1000"},
		{"64KiB", 65536, "64KiB"}, {"64K", 65536, "64KiB"}, {"64KB", 65536, "64KiB"}, {"64kb", 65536, "64KiB"},
		{"1MiB", 1 << 20, "1MiB"}, {"1M", 1 << 20, "1MiB"}, {"2GiB", 2 << 30, "2GiB"}, {"10B", 10, "10"},
		{"1536KiB", 1536 << 10, "1536KiB"}, {"64 KiB", 65536, "64KiB"},
		{"9007199254740991", 9007199254740991, "9007199254740991"},
	} {
		var b byteSize
		if err := b.Set(c.text); err != nil || int(b) != c.bytes || b.String() != c.back {
			t.Errorf("%q is %d, written %s, %v; expected %d, %s", c.text, int(b), &b, err, c.bytes, c.back)
		}
	}
	for _, text := range []string{"", " ", "x", "K", "KiB", "-1", "-1KiB", "+", "1.5MiB", "64XB", "64KK", "64MK", "64iB",
		"64KiBiB", "64BK", "1TiB", "9223372036854775808", "9007199254740992KiB", "1 2", "0x10", "1e3", "64 KiB "} {
		var b byteSize
		if err := b.Set(text); err == nil {
			t.Errorf("%q is %d", text, int(b))
		} else if !strings.Contains(err.Error(), "64KiB") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
