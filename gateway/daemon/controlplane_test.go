package daemon_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// connectTLS makes a new connection to the control plane.
func (i *instance) connectTLS(c *tls.Config) pb.GatewayServiceClient {
	i.t.Helper()
	conn, err := grpc.NewClient(i.control, grpc.WithTransportCredentials(credentials.NewTLS(c)))
	check(i.t, err)
	i.t.Cleanup(func() { _ = conn.Close() })
	return pb.NewGatewayServiceClient(conn)
}

// with returns a call's context with a token.
func with(t testing.TB, token string) context.Context {
	return metadata.AppendToOutgoingContext(patiently(t), "authorization", "Bearer "+token)
}

// tokenLine returns a line of a token file.
func tokenLine(name, role, token string) string {
	return fmt.Sprintf("%s %s sha256:%x\n", name, role, sha256.Sum256([]byte(token)))
}

// Tokens of the right form.
var viewerToken, adminToken = "sgt_" + strings.Repeat("v", 43), "sgt_" + strings.Repeat("a", 43)

// TestControlIdentities checks a control plane within reach of other machines. It serves callers with a certificate or
// a token, each as far as its role goes, and no others. SIGHUP takes a token away, and the log lists the callers that
// are let in.
func TestControlIdentities(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	cert, key := ca.server("control", "control", "gateway.example")
	tokens := filepath.Join(t.TempDir(), "tokens")
	check(t, os.WriteFile(tokens, []byte(tokenLine("ann", "admin", adminToken)+tokenLine("vic", "viewer", viewerToken)),
		0o600))
	g := start(t, nil, "--control", "0.0.0.0:0", "--control-tls-cert", cert, "--control-tls-key", key,
		"--control-tls-client-ca", ca.dir+"/ca.pem",
		"--control-token-file", tokens, "--control-role", "ops.example=operator")
	if line := g.lines[len(g.lines)-1]; !strings.Contains(line, `"callers":"certificates,tokens"`) ||
		!strings.Contains(line, `"tls":"on"`) {
		t.Error(line)
	}
	anonymous, certified := g.connectTLS(ca.trusted("gateway.example")),
		g.connectTLS(ca.trusted("gateway.example", ca.client("ops.example")))
	unknown := g.connectTLS(ca.trusted("gateway.example", ca.client("else.example")))
	look := func(c pb.GatewayServiceClient, ctx context.Context) codes.Code {
		_, err := c.GetGateway(ctx, &pb.GetGatewayRequest{})
		return status.Code(err)
	}
	kick := func(c pb.GatewayServiceClient, ctx context.Context) codes.Code {
		_, err := c.Kick(ctx, &pb.KickRequest{Filter: "true"})
		return status.Code(err)
	}
	for _, c := range []struct {
		who       string
		got, want codes.Code
	}{
		{"nobody looks", look(anonymous, patiently(t)), codes.Unauthenticated},
		{"nobody in plain text", look(g.client, patiently(t)), codes.Unavailable},
		{"a certificate without a role", look(unknown, patiently(t)), codes.PermissionDenied},
		{"an operator's certificate looks", look(certified, patiently(t)), codes.OK},
		{"an operator's certificate kicks", kick(certified, patiently(t)), codes.OK},
		{"a viewer's token looks", look(anonymous, with(t, viewerToken)), codes.OK},
		{"a viewer's token kicks", kick(anonymous, with(t, viewerToken)), codes.PermissionDenied},
		{"an admin's token kicks", kick(anonymous, with(t, adminToken)), codes.OK},
		{"a token of nobody", look(anonymous, with(t, "sgt_"+strings.Repeat("x", 43))), codes.Unauthenticated},
	} {
		if c.got != c.want {
			t.Errorf("%s: %s; expected %s", c.who, c.got, c.want)
		}
	}
	check(t, os.WriteFile(tokens, []byte(tokenLine("ann", "admin", adminToken)), 0o600))
	g.hangups <- syscall.SIGHUP
	g.log.await(t, 1, "SIGHUP: certificates, client CAs and tokens are reloaded")
	if code := look(anonymous, with(t, viewerToken)); code != codes.Unauthenticated {
		t.Errorf("a token that was taken away: %s", code)
	}
	check(t, os.WriteFile(tokens, []byte("half a li"), 0o600))
	g.hangups <- syscall.SIGHUP
	g.log.await(t, 1, "SIGHUP: some files cannot be used")
	if code := look(anonymous, with(t, adminToken)); code != codes.OK {
		t.Errorf("a broken token file took the others away: %s", code)
	}
	if g.log.count(viewerToken)+g.log.count(adminToken) > 0 {
		t.Error("the log has a token")
	}
}

// TestControlRequired checks that --control-auth required refuses a caller without an identity, over loopback too.
func TestControlRequired(t *testing.T) {
	t.Parallel()
	tokens := filepath.Join(t.TempDir(), "tokens")
	check(t, os.WriteFile(tokens, []byte(tokenLine("vic", "viewer", viewerToken)), 0o600))
	for _, c := range []struct {
		flags     []string
		anonymous codes.Code
	}{{nil, codes.OK}, {[]string{"--control-auth", "required"}, codes.Unauthenticated}} {
		g := start(t, nil, append(c.flags, "--control-token-file", tokens)...)
		if _, err := g.client.GetGateway(patiently(t), &pb.GetGatewayRequest{}); status.Code(err) != c.anonymous {
			t.Errorf("%v: %v; expected %s", c.flags, err, c.anonymous)
		}
		_, err := g.client.GetGateway(with(t, viewerToken), &pb.GetGatewayRequest{})
		check(t, err)
	}
}

// TestControlCertificateReplaced checks that the control plane's certificate is replaced without a restart.
func TestControlCertificateReplaced(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	cert, key := ca.server("control", "first", "gateway.example")
	tokens := filepath.Join(t.TempDir(), "tokens")
	check(t, os.WriteFile(tokens, []byte(tokenLine("vic", "viewer", viewerToken)), 0o600))
	g := start(t, nil, "--control-tls-cert", cert, "--control-tls-key", key, "--control-token-file", tokens)
	if line := g.lines[len(g.lines)-1]; !strings.Contains(line, `"callers":"tokens"`) { // not the callers on loopback
		t.Error(line)
	}
	seen := func() string {
		conn, err := tls.Dial("tcp", g.control, func() *tls.Config {
			c := ca.trusted("gateway.example")
			c.NextProtos = []string{"h2"}
			return c
		}())
		check(t, err)
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	if got := seen(); got != "first" {
		t.Error(got)
	}
	ca.server("control", "second", "gateway.example")
	g.hangups <- syscall.SIGHUP
	g.log.await(t, 1, "SIGHUP: certificates, client CAs and tokens are reloaded")
	if got := seen(); got != "second" {
		t.Error(got)
	}
}

// TestUnixRoles checks that other users may connect to a unix socket if some have roles. The caller's user decides
// about its rights.
func TestUnixRoles(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "g") // a short path, because a socket's path is limited to about 100 bytes
	check(t, err)
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "control")
	g := start(t, nil, "--control", "unix://"+path, "--control-role", fmt.Sprintf("uid:%d=viewer", os.Getuid()))
	file, err := os.Stat(path)
	check(t, err)
	if mode := file.Mode(); mode.Perm() != 0o666 {
		t.Errorf("mode %s", mode)
	}
	g.info()
	if _, err := g.client.Kick(patiently(t), &pb.KickRequest{Filter: "true"}); status.Code(err) != codes.PermissionDenied {
		t.Errorf("a viewer kicks: %v", err)
	}
}

// TestHandlerRoles checks that --control-role and the token file can give the role of a remote handler, which may not
// even look. SIGHUP makes an administrator of such a token.
func TestHandlerRoles(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	cert, key := ca.server("control", "control", "gateway.example")
	tokens := filepath.Join(t.TempDir(), "tokens")
	check(t, os.WriteFile(tokens, []byte(tokenLine("be", "handler:chat", adminToken)), 0o600))
	g := start(t, nil, "--control", "0.0.0.0:0", "--control-tls-cert", cert, "--control-tls-key", key,
		"--control-tls-client-ca", ca.dir+"/ca.pem", "--control-token-file", tokens,
		"--control-role", "be.example=handler:dns-1")
	anonymous, certified := g.connectTLS(ca.trusted("gateway.example")),
		g.connectTLS(ca.trusted("gateway.example", ca.client("be.example")))
	for _, c := range []struct {
		client pb.GatewayServiceClient
		ctx    context.Context
		says   string
	}{{anonymous, with(t, adminToken), `"be" has handler:chat`},
		{certified, patiently(t), `"be.example" has handler:dns-1`}} {
		_, err := c.client.GetGateway(c.ctx, &pb.GetGatewayRequest{})
		if status.Code(err) != codes.PermissionDenied || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v; expected %s", err, c.says)
		}
	}
	check(t, os.WriteFile(tokens, []byte(tokenLine("be", "admin", adminToken)), 0o600))
	g.hangups <- syscall.SIGHUP
	g.log.await(t, 1, "SIGHUP: certificates, client CAs and tokens are reloaded")
	_, err := anonymous.GetGateway(with(t, adminToken), &pb.GetGatewayRequest{})
	check(t, err)
}
