package daemon_test

import (
	"os/user"
	"strings"
	"testing"
)

// TestUnsafeControl checks that a control plane that other machines could reach without proving an identity is refused,
// with a sentence that says what to add. Flags without an effect are refused too.
func TestUnsafeControl(t *testing.T) {
	const (
		cert = "--control-tls-cert and --control-tls-key"
		id   = "--control-token-file (or --control-tls-client-ca with --control-role)"
		both = "it needs "
	)
	tls := []string{"--control-tls-cert", "c.pem", "--control-tls-key", "c.key"}
	ca, token := []string{"--control-tls-client-ca", "ca.pem"}, []string{"--control-token-file", "tokens"}
	role, uid := []string{"--control-role", "ops.example=admin"}, []string{"--control-role", "uid:1=admin"}
	required := []string{"--control-auth", "required"}
	for _, c := range []struct {
		address string
		flags   [][]string
		want    []string
	}{
		{"0.0.0.0:1", nil, []string{both + cert + ", and " + id + "; or use 127.0.0.1"}},
		{":1", nil, []string{"--control :1 is not a loopback address", cert, id, "unix:///path"}},
		{"[::]:1", nil, []string{"not a loopback address", cert, id}},
		{"192.0.2.1:1", nil, []string{"not a loopback address", cert, id}},
		{"gateway.example:1", nil, []string{"not a loopback address", cert, id}},
		{"localhost.example:1", nil, []string{"not a loopback address", cert, id}},
		{"[::ffff:10.0.0.1]:1", nil, []string{"not a loopback address", cert, id}},
		{":1", [][]string{required}, []string{both + cert + ", and " + id}},
		{":1", [][]string{tls}, []string{both + id}},
		{":1", [][]string{token}, []string{both + cert + ";"}},
		{":1", [][]string{ca}, []string{both + cert + ", and --control-role for the certificates"}},
		{":1", [][]string{role}, []string{both + cert + ", and --control-tls-client-ca (or --control-token-file)"}},
		{":1", [][]string{uid}, []string{both + cert + ", and " + id}},
		{":1", [][]string{tls, ca}, []string{both + "--control-role for the certificates under --control-tls-client-ca (or " +
			"--control-token-file)"}},
		{":1", [][]string{tls, role}, []string{both + "--control-tls-client-ca (or --control-token-file);"}},
		{":1", [][]string{tls, uid}, []string{both + id}},
		{":1", [][]string{tls[:2], token}, []string{both + cert + ";"}},
		{":1", [][]string{tls[2:], token}, []string{both + cert + ";"}},
		{":1", [][]string{tls, token, ca}, []string{"no certificate has a role"}},
		{":1", [][]string{tls, token, role}, []string{"--control-role for a certificate does nothing",
			"--control-tls-client-ca"}},
		{":1", [][]string{tls, token, uid}, []string{"uid:", "unix socket only"}},
		{"127.0.0.1:1", [][]string{required}, []string{"--control-auth required refuses everybody", "--control-token-file",
			"--control-tls-client-ca"}},
		{"127.0.0.1:1", [][]string{required, tls}, []string{"--control-auth required refuses everybody"}},
		{"127.0.0.1:1", [][]string{tls}, []string{"--control-tls-cert refuses everybody", "--control-token-file",
			"leave TLS out"}},
		{"127.0.0.1:1", [][]string{tls[:2]}, []string{"belong together"}},
		{"127.0.0.1:1", [][]string{tls[2:]}, []string{"belong together"}},
		{"127.0.0.1:1", [][]string{ca, role}, []string{"--control-tls-client-ca does nothing without"}},
		{"127.0.0.1:1", [][]string{uid}, []string{"unix socket only"}},
		{"unix:///x", [][]string{tls}, []string{"for a host:port"}},
		{"unix:///x", [][]string{ca}, []string{"for a host:port"}},
		{"unix:///x", [][]string{role}, []string{"--control-role for a certificate does nothing", "uid:NUMBER"}},
		{"127.0.0.1:1", [][]string{{"--control-auth", "off"}}, []string{`--control-auth "off"`, "auto or required"}},
		{":1", [][]string{{"--control-auth", "none"}}, []string{`--control-auth "none"`, "auto or required"}},
		{"127.0.0.1:1", [][]string{{"--control-max-connection-age", "0"}},
			[]string{"--control-max-connection-age 0s", "more than 0"}},
		{"unix:///x", [][]string{{"--control-role", "uid:1"}}, []string{`"uid:1"`, "IDENTITY=ROLE"}},
		{"unix:///x", [][]string{{"--control-role", "=admin"}}, []string{`"=admin"`, "IDENTITY=ROLE"}},
		{"unix:///x", [][]string{{"--control-role", "uid:1=root"}},
			[]string{`"root" is no role`, "viewer, operator, admin or handler:NAME"}},
		{"unix:///x", [][]string{{"--control-role", "uid:1=handler"}}, []string{`"handler" is no role`, "handler:NAME"}},
		{"unix:///x", [][]string{{"--control-role", "uid:1=handler:"}}, []string{`"" is no name of a handler`, "1 to 32"}},
		{"unix:///x", [][]string{{"--control-role", "uid:1=handler:Chat"}},
			[]string{`--control-role "uid:1=handler:Chat"`, `"Chat" is no name of a handler`, "1 to 32 of a-z, 0-9 and -"}},
		{"unix:///x", [][]string{{"--control-role", "uid:1=handler:a"}, {"--control-role", "uid:1=handler:b"}},
			[]string{"uid:1 has the role HANDLER:a already", "each identity once"}},
		{"unix:///x", [][]string{{"--control-role", "uid:1=Admin"}}, []string{`"Admin" is no role`}},
		{"unix:///x", [][]string{{"--control-role", "uid:x=admin"}}, []string{`"x" is no user's number`}},
		{"unix:///x", [][]string{{"--control-role", "uid:01=admin"}}, []string{`"01" is no user's number`}},
		{"unix:///x", [][]string{{"--control-role", "user:nobody-of-that-name=admin"}},
			[]string{"nobody-of-that-name", "not known on this machine"}},
		{"unix:///x", [][]string{{"--control-role", "uid:1=admin"}, {"--control-role", "uid:1=viewer"}},
			[]string{"uid:1 has the role ADMIN already"}},
		{"unix:///x", [][]string{{"--control-role", "user:root=admin"}, {"--control-role", "uid:0=viewer"}},
			[]string{"uid:0 has the role ADMIN already"}},
		{"127.0.0.1:1", [][]string{tls, token}, []string{"control plane: cannot read c.pem"}},
		{"127.0.0.1:1", [][]string{token}, []string{"control plane: "}},
	} {
		args := []string{"--listen", "127.0.0.1:0", "--control", c.address}
		for _, f := range c.flags {
			args = append(args, f...)
		}
		code, stdout, stderr := run(nil, args...)
		if code != 2 || stdout != "" || strings.Count(stderr, "\n") != 2 || strings.Contains(stderr, "listening") {
			t.Errorf("%q: exit %d, stdout %q, stderr %q", args, code, stdout, stderr)
		}
		for _, want := range c.want {
			if !strings.Contains(stderr, want) {
				t.Errorf("%q: %q has no %q", args[2:], stderr, want)
			}
		}
	}
	if _, err := user.Lookup("root"); err != nil {
		t.Error("the table supposes that there is a user root:", err)
	}
}
