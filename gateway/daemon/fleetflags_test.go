package daemon_test

import (
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sockgate/sockgate/gateway/daemon"
)

// TestControlAddress checks what a gateway tells the nodes of its fleet about its control plane: the operator's words,
// or else where other machines find it.
func TestControlAddress(t *testing.T) {
	tcp := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 8018} }
	for _, c := range []struct {
		flag, control string
		bound         net.Addr
		want          string
	}{
		{"", "10.0.0.5:0", tcp("10.0.0.5"), "10.0.0.5:8018"},
		{"", "[2001:db8::5]:8018", tcp("2001:db8::5"), "[2001:db8::5]:8018"},
		{"", "edge-1.example.org:8018", tcp("10.0.0.5"), "edge-1.example.org:8018"},
		{"", "127.0.0.1:8018", tcp("127.0.0.1"), ""},
		{"", "localhost:8018", tcp("127.0.0.1"), ""},
		{"", "edge-1:8018", tcp("127.0.1.1"), ""},
		{"", "[::1]:8018", tcp("::1"), ""},
		{"", ":8018", tcp("::"), ""},
		{"", "0.0.0.0:8018", tcp("0.0.0.0"), ""},
		{"", "[::ffff:0.0.0.0]:8018", tcp("0.0.0.0"), ""},
		{"", "[fe80::1%eth0]:8018", &net.TCPAddr{IP: net.ParseIP("fe80::1"), Port: 8018, Zone: "eth0"}, ""},
		{"", "unix:///run/sockgate.sock", &net.UnixAddr{Name: "/run/sockgate.sock", Net: "unix"}, ""},
		{"lb.example.org:443", "unix:///run/sockgate.sock", &net.UnixAddr{Name: "/run/sockgate.sock"}, "lb.example.org:443"},
		{"127.0.0.2:8018", "127.0.0.2:8018", tcp("127.0.0.2"), "127.0.0.2:8018"},
		{"none", "10.0.0.5:8018", tcp("10.0.0.5"), ""},
	} {
		if got := daemon.ControlAddress(c.flag, c.control, c.bound); got != c.want {
			t.Errorf("%q with --control %s, bound to %s: %q; expected %q", c.flag, c.control, c.bound, got, c.want)
		}
	}
}

// TestFleetUsage checks that a fleet that strangers could join, and flags without an effect, are refused with 2 and a
// sentence.
func TestFleetUsage(t *testing.T) {
	t.Parallel()
	listen, url := []string{"--cluster-listen", "127.0.0.1:6222"}, []string{"--nats-url", "nats://127.0.0.1:4222"}
	with := func(first []string, more ...string) []string { return append(append([]string(nil), first...), more...) }
	wide := "--cluster-tls-cert, --cluster-tls-key and --cluster-tls-ca"
	for _, c := range []struct {
		args []string
		env  []string
		want []string
	}{
		{args: []string{"--fleet", "f"}, want: []string{`--fleet "f" does nothing`, "--cluster-listen or --nats-url"}},
		{args: []string{"--fleet-peer-role", "*=viewer"}, want: []string{"--fleet-peer-role does nothing", "alone"}},
		{env: []string{"SOCKGATE_FLEET=f"}, want: []string{`--fleet "f" does nothing`}},
		{args: with(listen, "--fleet", "F_1"), want: []string{`--fleet "F_1"`, "expected 1 to 32"}},
		{args: with(listen, "--fleet", strings.Repeat("f", 33)), want: []string{"--fleet", "expected 1 to 32"}},
		{args: with(listen, url...), want: []string{"--cluster-… and --nats-… are two ways"}},
		{args: with(listen, "--nats-creds", "x"), want: []string{"two ways"}},
		{args: with(url, "--cluster-tls-ca", "x"), want: []string{"two ways"}},
		{args: []string{"--cluster-join", "127.0.0.1:6222"}, want: []string{"does nothing without --cluster-listen"}},
		{args: []string{"--cluster-tls-cert", "x"}, want: []string{"does nothing without --cluster-listen"}},
		{args: []string{"--nats-tls-ca", "x"}, want: []string{"does nothing without --nats-url"}},
		{args: []string{"--nats-creds", "x"}, want: []string{"does nothing without --nats-url"}},
		{args: []string{"--cluster-listen", "6222"}, want: []string{`--cluster-listen "6222"`, "host:port"}},
		{args: []string{"--cluster-listen", "127.0.0.1:70000"}, want: []string{"--cluster-listen", "host:port"}},
		{args: []string{"--cluster-listen", "127.0.0.1:http"}, want: []string{"--cluster-listen", "host:port"}},
		{args: []string{"--nats-url", "nats://127.0.0.1:70000"},
			want: []string{"--nats-url", "nats://127.0.0.1:70000", "host:port"}},
		{args: []string{"--cluster-listen", ":6222"}, want: []string{"--cluster-listen :6222 is not a loopback address",
			wide}},
		{args: []string{"--cluster-listen", "0.0.0.0:6222"},
			want: []string{"--cluster-listen 0.0.0.0:6222 is not a loopback address", wide}},
		{args: []string{"--cluster-listen", "gateway.example:6222"}, want: []string{"is not a loopback address", wide}},
		{args: with(listen, "--cluster-join", "192.0.2.1:6222"),
			want: []string{"--cluster-join 192.0.2.1:6222 is not a loopback address", wide}},
		{args: with(listen, "--cluster-join", "127.0.0.2:6222", "--cluster-join", "localhost.example:6222"),
			want: []string{"--cluster-join localhost.example:6222", wide}},
		{args: with(listen, "--cluster-join", ":6222"), want: []string{`--cluster-join ":6222"`, "host:port"}},
		{args: with(listen, "--cluster-join", "127.0.0.1:0"), want: []string{`--cluster-join "127.0.0.1:0"`, "host:port"}},
		{env: []string{"SOCKGATE_CLUSTER_LISTEN=127.0.0.1:6222", "SOCKGATE_CLUSTER_JOIN=127.0.0.2:6222, 192.0.2.1:6222"},
			want: []string{"--cluster-join 192.0.2.1:6222"}},
		{args: with(listen, "--cluster-tls-cert", "x"), want: []string{wide, "belong together"}},
		{args: []string{"--cluster-listen", ":6222", "--cluster-tls-cert", "x", "--cluster-tls-key", "x"},
			want: []string{wide, "belong together"}},
		{args: with(listen, "--cluster-tls-cert", "/nowhere/c", "--cluster-tls-key", "/nowhere/k", "--cluster-tls-ca",
			"/nowhere/ca"),
			want: []string{"--cluster-tls-…", "/nowhere/c"}},
		{args: []string{"--nats-url", "127.0.0.1:4222"}, want: []string{"--nats-url", "expected tls://"}},
		{args: []string{"--nats-url", "http://127.0.0.1:4222"}, want: []string{"--nats-url", "expected tls://"}},
		{args: []string{"--nats-url", "tls://host:4222/path"}, want: []string{"--nats-url", "expected tls://"}},
		{args: []string{"--nats-url", "nats://user:secret@nats.example:4222"},
			want: []string{"--nats-url", "nats.example:4222", "not a loopback address", "tls://"}},
		{args: with(url, "--nats-url", "nats://10.0.0.1:4222"), want: []string{"10.0.0.1:4222", "not a loopback address"}},
		{args: with(url, "--nats-url", "tls://10.0.0.1:4222"), want: []string{"some are nats:// and some are tls://"}},
		{args: with(url, "--nats-tls-ca", "x"), want: []string{"--nats-tls-… does nothing with nats:// URLs"}},
		{args: []string{"--nats-url", "tls://10.0.0.1:4222", "--nats-tls-cert", "x"},
			want: []string{"--nats-tls-cert and --nats-tls-key belong together"}},
		{args: []string{"--nats-url", "tls://10.0.0.1:4222", "--nats-tls-ca", "/nowhere/ca"},
			want: []string{"--nats-tls-ca", "/nowhere/ca"}},
		{args: []string{"--nats-url", "tls://10.0.0.1:4222", "--nats-tls-cert", "/nowhere/c", "--nats-tls-key",
			"/nowhere/k"}, want: []string{"--nats-tls-cert", "/nowhere/c"}},
		{args: []string{"--nats-url", "nats://user:secret@127.0.0.1:4222", "--nats-creds", "x"},
			want: []string{"--nats-creds and a user in --nats-url"}},
		{args: with(url, "--nats-creds", "/nowhere/creds"), want: []string{"--nats-creds", "/nowhere/creds", "JWT"}},
		{args: with(url, "--nats-creds", write(t, "no credentials")),
			want: []string{"--nats-creds", filepath.Base(write(t, "")), "JWT"}},
		{args: with(listen, "--fleet-peer-role", "edge-1"), want: []string{`--fleet-peer-role "edge-1"`, "NODE=ROLE"}},
		{args: with(listen, "--fleet-peer-role", "Edge=viewer"), want: []string{"--fleet-peer-role", "NODE=ROLE"}},
		{args: with(listen, "--fleet-peer-role", "edge-1=root"),
			want: []string{"--fleet-peer-role", `"root"`, "viewer, operator or admin"}},
		{args: with(listen, "--fleet-peer-role", "edge-1=handler:chat"),
			want: []string{"--fleet-peer-role", `"handler:chat" is a role of callers`, "viewer, operator or admin"}},
		{args: []string{"--fleet-control-address", "10.0.0.5:8018"},
			want: []string{"--fleet-control-address does nothing", "alone"}},
		{env: []string{"SOCKGATE_FLEET_CONTROL_ADDRESS=none"}, want: []string{"--fleet-control-address does nothing"}},
		{args: with(listen, "--fleet-control-address", "10.0.0.5"),
			want: []string{`--fleet-control-address "10.0.0.5"`, "host:port"}},
		{args: with(listen, "--fleet-control-address", "0.0.0.0:8018"),
			want: []string{`--fleet-control-address "0.0.0.0:8018"`, "expected the address of one machine"}},
		{args: with(listen, "--fleet-control-address", "unix:///run/x"), want: []string{"--fleet-control-address", "port"}},
		{args: with(listen, "--fleet-peer-role", "*=viewer", "--fleet-peer-role", "*=admin"),
			want: []string{"--fleet-peer-role", "* has the role VIEWER already"}},
	} {
		code, stdout, stderr := run(c.env, append([]string{"--node", "n", "--listen", "127.0.0.1:0", "--control",
			"127.0.0.1:0"}, c.args...)...)
		if code != 2 || stdout != "" || !strings.HasPrefix(stderr, "gateway: ") ||
			!strings.HasSuffix(stderr, "\nSee gateway --help.\n") ||
			strings.Contains(stderr, "listening") || strings.Contains(stderr, "secret") {
			t.Errorf("%q %q: exit %d, stdout %q, stderr %q", c.args, c.env, code, stdout, stderr)
		}
		for _, want := range c.want {
			if !strings.Contains(stderr, want) {
				t.Errorf("%q %q: %q has no %q", c.args, c.env, stderr, want)
			}
		}
	}
}
