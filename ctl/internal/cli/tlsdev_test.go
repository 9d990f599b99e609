package cli

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/ctltest"
)

// devLeaf reads a certificate that tls-dev made, and the key that must fit it.
func devLeaf(t *testing.T, dir, name string) *x509.Certificate {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".pem"), filepath.Join(dir, name+"-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if key, ok := pair.PrivateKey.(*ecdsa.PrivateKey); !ok || key.Params().Name != "P-256" {
		t.Errorf("%s: key %T", name, pair.PrivateKey)
	}
	return pair.Leaf
}

// The certificates are as announced: one server, one client for each role, of one authority. No other user can read a
// key.
func TestTLSDev(t *testing.T) {
	now := time.Now()
	dir := certificates(t, now, "--host", "gw.local,192.0.2.7")
	roots := x509.NewCertPool()
	ca := devLeaf(t, dir, "ca")
	roots.AddCert(ca)
	server := devLeaf(t, dir, "server")
	for _, name := range []string{"localhost", "127.0.0.1", "::1", "gw.local", "192.0.2.7"} {
		if _, err := server.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, role := range []string{"viewer", "operator", "admin"} {
		leaf := devLeaf(t, dir, role)
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots,
			KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
			t.Errorf("%s: %v", role, err)
		}
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots}); err == nil {
			t.Errorf("%s: can be used as a server", role)
		}
		if got := fmt.Sprint(leaf.URIs); got != "[spiffe://sockgate.dev/"+role+"]" {
			t.Errorf("%s: identity %s", role, got)
		}
	}
	if life := server.NotAfter.Sub(now); !ca.IsCA || life < 30*24*time.Hour-time.Second || life > 30*24*time.Hour {
		t.Errorf("valid for %s", life)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 10 {
		t.Errorf("%d files, %v", len(entries), err)
	}
	for _, e := range entries {
		want := os.FileMode(0o644)
		if strings.HasSuffix(e.Name(), "-key.pem") {
			want = 0o600
		}
		if info, err := e.Info(); err != nil || info.Mode() != want {
			t.Errorf("%s: mode %v, %v", e.Name(), info.Mode(), err)
		}
	}
}

// Existing files are replaced only with --force, and the output explains the use of the certificates.
func TestTLSDevKeepsFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "my certs")
	run := against(t, &fakeGateway{})
	if code := run.run("tls-dev", dir); code != app.ExitDone ||
		!strings.Contains(run.stdout.String(), dir+"/admin-key.pem") {
		t.Fatalf("exit code %d: %s", code, run.stderr)
	}
	for _, words := range []string{"for trying out only", "--tls-ca '" + dir + "/ca.pem'"} {
		if !strings.Contains(run.stderr.String(), words) {
			t.Errorf("stderr lacks %q:\n%s", words, run.stderr)
		}
	}
	before, err := os.ReadFile(dir + "/ca.pem")
	if err != nil {
		t.Fatal(err)
	}
	run = against(t, &fakeGateway{})
	if code := run.run("tls-dev", dir); code != app.ExitFailed ||
		!strings.Contains(run.stderr.String(), "ca.pem is there already") {
		t.Errorf("exit code %d: %s", code, run.stderr)
	}
	if after, _ := os.ReadFile(dir + "/ca.pem"); !bytes.Equal(before, after) {
		t.Error("the authority was replaced")
	}
	run = against(t, &fakeGateway{})
	if code := run.run("tls-dev", dir, "--force", "-o", "json"); code != app.ExitDone ||
		strings.Count(run.stdout.String(), `{"file":"`) != 10 {
		t.Errorf("exit code %d: %s", code, run.stdout)
	}
	for words, want := range map[string]string{"tls-dev": "one DIR", "tls-dev x --valid 0s": "--valid 0s",
		"tls-dev x --valid 20000h": "up to 19800h"} {
		run = against(t, &fakeGateway{})
		if code := run.run(strings.Fields(words)...); code != app.ExitUsage || !strings.Contains(run.stderr.String(), want) {
			t.Errorf("ctl %s: exit code %d: %s", words, code, run.stderr)
		}
	}
}

// secureServer is a server of TLS that serves each connection.
func secureServer(t testing.TB, config *tls.Config, serve func(conn net.Conn)) string {
	return ctltest.Serve(t, ctltest.Listen(t), func(_ int, conn net.Conn) {
		secure := tls.Server(conn, config)
		serve(secure)
		_ = secure.Close()
	})
}

// echoBack sends every received byte back.
func echoBack(conn net.Conn) { _, _ = io.Copy(conn, conn) }

// dial makes its connections TLS, checks the server's certificate, and finishes as without TLS.
func TestDialTLS(t *testing.T) {
	dir := certificates(t, time.Now())
	addr := secureServer(t, serverTLS(t, dir, tls.NoClientCert), echoBack)
	mutual := secureServer(t, serverTLS(t, dir, tls.RequireAndVerifyClientCert), func(conn net.Conn) {
		_ = conn.(*tls.Conn).Handshake()
		if certs := conn.(*tls.Conn).ConnectionState().PeerCertificates; len(certs) > 0 {
			fmt.Fprint(conn, certs[0].URIs[0])
		}
	})
	pair := fmt.Sprintf(" --data-cert %[1]s/viewer.pem --data-key %[1]s/viewer-key.pem", dir)
	tests := []struct {
		name, flags, addr string
		code              int
		words             []string
	}{
		{"trusted", "--data-ca " + dir + "/ca.pem --send hello --once", addr, 0,
			[]string{" tls=TLS1.3\n", `data "hello"`, "client end\n", "received=5 sent=5"}},
		{"by a name", "--data-ca " + dir + "/ca.pem --data-server-name localhost --send hello --once", addr, 0,
			[]string{`data "hello"`}},
		{"another name", "--data-ca " + dir + "/ca.pem --data-server-name elsewhere", addr, 1,
			[]string{"error TLS handshake: ", "not elsewhere"}},
		{"not trusted", "--data-tls --send x", addr, 1, []string{"error TLS handshake: ", "unknown authority"}},
		{"not checked", "--data-insecure --send hello --once", addr, 0, []string{`data "hello"`}},
		{"with a certificate", "--send x --data-ca " + dir + "/ca.pem" + pair, mutual, 0,
			[]string{`data "spiffe://sockgate.dev/viewer"`}},
		{"half a certificate", "--data-key x", addr, 2, nil},
		{"a unix socket without a name", "--data-tls", "unix:///nonexistent", 2, nil},
	}
	for _, tt := range tests {
		run := against(t, &fakeGateway{})
		code := run.run(append([]string{"dial", tt.addr}, strings.Fields(tt.flags)...)...)
		if code != tt.code {
			t.Errorf("%s: exit code %d, want %d: %s%s", tt.name, code, tt.code, run.stdout, run.stderr)
		}
		for _, words := range tt.words {
			if !strings.Contains(run.stdout.String(), words) {
				t.Errorf("%s: stdout lacks %q:\n%s", tt.name, words, run.stdout)
			}
		}
		if said := strings.Contains(run.stderr.String(), "certificate is not checked"); said != strings.Contains(tt.flags,
			"insecure") {
			t.Errorf("%s: stderr %s", tt.name, run.stderr)
		}
	}
}

// A PROXY header goes first, before TLS too, and names the client that was given.
func TestDialProxyHeader(t *testing.T) {
	addr := ctltest.Serve(t, ctltest.Listen(t), func(_ int, conn net.Conn) { echoBack(conn) })
	_, port, _ := net.SplitHostPort(addr)
	for client, want := range map[string]string{
		"203.0.113.7:4242":   `data "PROXY TCP4 203.0.113.7 127.0.0.1 4242 ` + port + `\r\n`,
		"[2001:db8::1]:4242": `data "PROXY TCP6 2001:db8::1 2001:db8::1 4242 4242\r\n`,
	} {
		run := against(t, &fakeGateway{})
		if code := run.run("dial", addr, "--proxy-from", client, "--send", "x", "--once"); code != app.ExitDone ||
			!strings.Contains(run.stdout.String(), want) {
			t.Errorf("%s: exit code %d:\n%s", client, code, run.stdout)
		}
	}
	run := against(t, &fakeGateway{})
	if code := run.run("dial", addr, "--proxy-from", "203.0.113.7"); code != app.ExitUsage ||
		!strings.Contains(run.stderr.String(), "give IP:PORT") {
		t.Errorf("exit code %d: %s", code, run.stderr)
	}
}

// The benchmarks that need only a data plane run over TLS as they do without, and count the refusals of TLS.
func TestBenchTLS(t *testing.T) {
	dir := certificates(t, time.Now())
	addr := secureServer(t, serverTLS(t, dir, tls.NoClientCert), echoBack)
	trust := " --data-ca " + dir + "/ca.pem "
	for words, code := range map[string]int{
		"echo -c 5 -d 50ms --warmup 0s" + trust:                  0,
		"echo -c 3 -d 50ms --warmup 0s --size 40000" + trust:     0,
		"connect -c 3 -d 50ms --warmup 0s" + trust:               0,
		"connect -c 3 -d 50ms --warmup 0s --reset" + trust:       0,
		"idle -c 5 -d 50ms" + trust:                              0,
		"echo -c 3 -d 50ms --warmup 0s --data-tls ":              1,
		"connect -c 2 -d 50ms --warmup 0s --data-insecure ":      0,
		"idle -c 5 -d 50ms --data-server-name elsewhere" + trust: 1,
	} {
		run := against(t, &fakeGateway{})
		if got := run.run(append(append([]string{"bench"}, strings.Fields(words)...), "-o", "json", addr)...); got != code {
			t.Errorf("%s: exit code %d, want %d: %s", words, got, code, run.stderr)
		}
		var result struct {
			TLS    bool             `json:"tls"`
			Errors map[string]int64 `json:"errors"`
		}
		if err := json.Unmarshal([]byte(run.stdout.String()), &result); err != nil || !result.TLS ||
			(result.Errors["tls"] > 0) != (code != 0) {
			t.Errorf("%s: %v, %v", words, result, err)
		}
	}
}
