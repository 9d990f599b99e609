package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/ctltest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// certificates is a directory that `ctl tls-dev` made at a moment, with more words for it.
func certificates(t testing.TB, at time.Time, words ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "certs")
	run := &invocation{ctx: t.Context(), now: func() time.Time { return at }, stdout: ctltest.NewOutput(),
		stderr: ctltest.NewOutput()}
	if code := run.run(append([]string{"tls-dev", dir}, words...)...); code != app.ExitDone {
		t.Fatalf("exit code %d: %s", code, run.stderr)
	}
	return dir
}

// serverTLS is the configuration of a server with the certificates of a directory.
func serverTLS(t testing.TB, dir string, auth tls.ClientAuthType) *tls.Config {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "server.pem"), filepath.Join(dir, "server-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	return &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: auth, ClientCAs: pool}
}

// secret is the token that guarded gateways want.
const secret = "sgt_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"

// guard answers only calls with the secret.
func guard(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	switch given := md.Get("authorization"); {
	case len(given) == 0:
		return nil, failure(codes.Unauthenticated, "who is there?", "CREDENTIALS_REQUIRED", nil)
	case given[0] != "Bearer "+secret:
		return nil, failure(codes.Unauthenticated, "no such token", "TOKEN_INVALID", nil)
	}
	return handler(ctx, req)
}

// Every kind of TLS mismatch is one sentence with a remedy, and has its exit code.
func TestTLSProblems(t *testing.T) {
	now := time.Now()
	dir, other := certificates(t, now), certificates(t, now)
	expired := certificates(t, now.Add(-48*time.Hour), "--valid", "1h")
	g := &fakeGateway{}
	serve := func(dir string, auth tls.ClientAuthType) string {
		return g.serve(t, grpc.Creds(credentials.NewTLS(serverTLS(t, dir, auth))))
	}
	plain, open, mutual, old := g.serve(t), serve(dir, tls.NoClientCert), serve(dir,
		tls.RequireAndVerifyClientCert), serve(expired, tls.NoClientCert)
	website := httptest.NewUnstartedServer(http.NotFoundHandler())
	website.TLS = serverTLS(t, dir, tls.NoClientCert)
	website.Config.ErrorLog = log.New(io.Discard, "", 0)
	website.StartTLS()
	defer website.Close()
	ca, pair := " --tls-ca "+dir+"/ca.pem", " --tls-cert %[1]s/admin.pem --tls-key %[1]s/admin-key.pem"
	tests := []struct {
		name, gateway, flags string
		code                 int
		words                string
	}{
		{"TLS", open, ca, 0, ""},
		{"TLS by another of its names", open, ca + " --server-name localhost", 0, ""},
		{"mutual TLS", mutual, ca + fmt.Sprintf(pair, dir), 0, ""},
		{"plain to TLS", open, "", 6, "it speaks TLS; use --tls-ca FILE, or --tls "},
		{"plain to mutual TLS", mutual, "", 6, "it speaks TLS; use --tls-ca FILE, or --tls "},
		{"TLS to plain", plain, ca, 6, "it does not speak TLS; leave out --tls"},
		{"unknown authority", open, " --tls-ca " + other + "/ca.pem", 6,
			"not trusted here; give the right one with --tls-ca"},
		{"not the system's authority", open, " --tls", 6, "not trusted here; give the right one with --tls-ca"},
		{"expired", old, " --tls-ca " + expired + "/ca.pem", 6, "is not valid now; renew it"},
		{"another name", open, ca + " --server-name gw.example.org", 6,
			"for another name (localhost, not gw.example.org); expect one of those with --server-name"},
		{"no client certificate", mutual, ca, 5,
			"requires a client certificate; give one with --tls-cert FILE and --tls-key FILE"},
		{"client certificate of another authority", mutual, ca + fmt.Sprintf(pair, other), 5, "client certificate"},
		{"client certificate that expired", mutual, ca + fmt.Sprintf(pair, expired), 5, "client certificate"},
		{"a web site", website.Listener.Addr().String(), ca, 6, "speaks TLS and is not a control plane"},
	}
	for _, tt := range tests {
		for _, command := range []string{"info", "events --limit 1 --after 0"} {
			run := against(t, g)
			code := run.run(strings.Fields(command + " --gateway " + tt.gateway + tt.flags)...)
			if strings.HasPrefix(command, "events") && tt.code == 0 {
				continue // the fake has none; that it was asked is enough
			}
			if text := run.stderr.String(); code != tt.code || !strings.Contains(text, tt.words) ||
				strings.Count(text, "\n") > 1 {
				t.Errorf("%s: ctl %s: exit code %d, want %d; stderr %s", tt.name, command, code, tt.code, text)
			}
		}
	}
}

// A token is sent to a gateway that has proven its identity, or stays on this machine; from a file or the environment.
func TestToken(t *testing.T) {
	dir := certificates(t, time.Now())
	g := &fakeGateway{}
	secure := g.serve(t, grpc.Creds(credentials.NewTLS(serverTLS(t, dir, tls.NoClientCert))), grpc.UnaryInterceptor(guard))
	plain := g.serve(t, grpc.UnaryInterceptor(guard))
	_, port, _ := net.SplitHostPort(plain)
	files := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(files, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, ca := write("good", secret+"\n", 0o600), " --tls-ca "+dir+"/ca.pem"
	shared := write("shared", secret, 0o600)
	if err := os.Chmod(shared, 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, flags string
		variables   map[string]string
		code        int
		words       string // all of stderr, if empty
	}{
		{"file over TLS", "--gateway " + secure + ca + " --token-file " + good, nil, 0, ""},
		{"environment over TLS", "--gateway " + secure + ca, map[string]string{"SOCKGATE_TOKEN": secret}, 0, ""},
		{"file of the environment", "--gateway " + secure + ca, map[string]string{"SOCKGATE_TOKEN_FILE": good}, 0, ""},
		{"flag goes before environment", "--gateway " + secure + ca + " --token-file " + good,
			map[string]string{"SOCKGATE_TOKEN": "sgt_no"}, 0, ""},
		{"in plain text on loopback", "--gateway " + plain + " --token-file " + good, nil, 0, ""},
		{"in plain text to localhost", "--gateway localhost:" + port + " --token-file " + good, nil, 0, ""},
		{"in plain text elsewhere", "--gateway 192.0.2.1:8018 --token-file " + good, nil, 2,
			"in plain text, where others can read it; use TLS"},
		{"in plain text to a name", "--gateway gw.example.org:8018", map[string]string{"SOCKGATE_TOKEN": secret}, 2,
			"in plain text"},
		{"no token", "--gateway " + secure + ca, nil, 5,
			"who is there? (CREDENTIALS_REQUIRED)\n  give a token with --token-file"},
		{"wrong token", "--gateway " + secure + ca, map[string]string{"SOCKGATE_TOKEN": "sgt_no"}, 5,
			"no such token (TOKEN_INVALID)"},
		{"others can read the file", "--gateway " + secure + ca + " --token-file " + shared, nil, 0,
			"others than its owner have access to " + shared + " (mode 0644); chmod 600 it"},
		{"no file", "--gateway " + secure + ca + " --token-file " + files + "/none", nil, 2, "no such file"},
		{"empty file", "--gateway " + secure + ca + " --token-file " + write("empty", "\n", 0o600), nil, 2,
			"is empty; expected one token"},
		{"two tokens", "--gateway " + secure + ca + " --token-file " + write("two", secret+"\n"+secret, 0o600), nil, 2,
			"does not have one token"},
		{"file and variable", "--gateway " + secure + ca, map[string]string{"SOCKGATE_TOKEN": secret,
			"SOCKGATE_TOKEN_FILE": good}, 2, "unset one of them"},
	}
	for _, tt := range tests {
		run := against(t, g)
		run.variables = tt.variables
		code := run.run(append([]string{"info", "-o", "name"}, strings.Fields(tt.flags)...)...)
		text := run.stderr.String()
		if code != tt.code || !strings.Contains(text, tt.words) || tt.words == "" && text != "" {
			t.Errorf("%s: exit code %d, want %d; stderr %s", tt.name, code, tt.code, text)
		}
		if strings.Contains(text, secret) || strings.Contains(run.stdout.String(), secret) {
			t.Errorf("%s: the token is shown: %s", tt.name, text)
		}
	}
}

// The name localhost does not suffice to send a token in plain text: its address must be a loopback one.
func TestTokenToALocalhostElsewhere(t *testing.T) {
	if _, err := app.DialLoopback(t.Context(), "192.0.2.1:8018"); err == nil ||
		!strings.Contains(err.Error(), "plain text") {
		t.Errorf("error %v", err)
	}
}

// The settings of TLS are checked before anything is sent.
func TestAccessUsage(t *testing.T) {
	for words, want := range map[string]string{
		"--tls-cert x":                                 "only one of the two is given",
		"--tls-key x":                                  "only one of the two is given",
		"--tls-ca /dev/null":                           "has no certificate in PEM form",
		"--tls-ca /nonexistent":                        "no such file",
		"--tls-cert /dev/null --tls-key /dev/null":     "not a certificate and its key",
		"--tls=false --server-name x":                  "exclude each other",
		"--tls --gateway unix:///nonexistent/socket":   "needs --server-name",
		"--context nowhere":                            "there is no context \"nowhere\", nor any other",
		"--gateway 192.0.2.1:8018 --token-file /dev/x": "in plain text",
	} {
		run := against(t, &fakeGateway{})
		if code := run.run(append([]string{"info"}, strings.Fields(words)...)...); code != app.ExitUsage ||
			!strings.Contains(run.stderr.String(), want) {
			t.Errorf("%s: exit code %d: %s", words, code, run.stderr)
		}
	}
	run := against(t, &fakeGateway{})
	run.variables = map[string]string{"SOCKGATE_TLS": "perhaps"}
	if code := run.run("info"); code != app.ExitUsage || !strings.Contains(run.stderr.String(), "neither true nor false") {
		t.Errorf("exit code %d: %s", code, run.stderr)
	}
}

// Bans of an older gateway, which has no such call, are an error and not a success.
func TestNewVerbsOfAnOldGateway(t *testing.T) {
	for _, words := range []string{"limits get", "limits set max-connections=1", "ban list", "ban add 192.0.2.1",
		"ban remove 192.0.2.1"} {
		run := against(t, &fakeGateway{gateway: func() (*pb.GetGatewayResponse, error) { return nil, nil }})
		if code := run.run(strings.Fields(words)...); code != app.ExitFailed ||
			!strings.Contains(run.stderr.String(), "Unimplemented") {
			t.Errorf("%s: exit code %d: %s", words, code, run.stderr)
		}
	}
}
