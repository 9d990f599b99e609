package attempts

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/sockgate/sockgate/gateway/e2e/internal/program"
	"github.com/sockgate/sockgate/gateway/e2e/internal/token"
	"github.com/sockgate/sockgate/gateway/internal/authority"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// guarded is a gateway with every protection that one on the internet should have, and the keys to it.
type guarded struct {
	t         *testing.T
	dir       string
	program   string
	ca        *issuer
	strangers *issuer // another CA, which the gateway does not trust
	control   string
	listeners map[string]string // name → address
	admin     pb.GatewayServiceClient
	adminConn *grpc.ClientConn
}

// handshakeTimeout is short, since some attempts wait for it.
const handshakeTimeout = "1500ms"

// startGuarded builds the gateway and starts one with every protection.
func startGuarded(t *testing.T) *guarded {
	t.Helper()
	dir := t.TempDir()
	g := &guarded{t: t, dir: dir, program: program.Build(t, program.Gateway), listeners: make(map[string]string)}
	g.ca, g.strangers = newAuthority(t, dir, "ca"), newAuthority(t, dir, "strangers")
	g.ca.Server(authority.CommonName("server"), local).Write(t, dir, "server")
	admin := g.ca.issue("admin", "spiffe://example.org/ops/admin", nil)
	g.writeTokens("viewer viewer "+token.HashOf("viewer"), "operator operator "+token.HashOf("operator"),
		"admin admin "+token.HashOf("admin"), "late viewer "+token.HashOf("late")+" expires:2020-01-01T00:00:00Z",
		"leaver viewer "+token.HashOf("leaver"))
	g.start(
		"--node", "edge-1", "--log-level", "debug", "--handshake-timeout", handshakeTimeout, "--state-dir",
		filepath.Join(dir, "state"),
		"--listen", "plain=127.0.0.1:0",
		"--listen", "tls=127.0.0.1:0 tls-cert="+g.ca.file("server.pem")+" tls-key="+g.ca.file("server.key"),
		"--listen", "mutual=127.0.0.1:0 tls-cert="+g.ca.file("server.pem")+" tls-key="+g.ca.file("server.key")+
			" client-auth=require client-ca="+g.ca.file("ca.pem"),
		"--listen", "balanced=127.0.0.1:0 proxy=required proxy-trusted=127.0.0.2/32",
		"--listen", "perhaps=127.0.0.1:0 proxy=optional proxy-trusted=127.0.0.2/32",
		"--control", "127.0.0.1:0", "--control-auth", "required", "--control-token-file", g.tokens(),
		"--control-tls-cert", g.ca.file("server.pem"), "--control-tls-key", g.ca.file("server.key"),
		"--control-tls-client-ca", g.ca.file("ca.pem"),
		"--control-role", "spiffe://example.org/ops/admin=admin")
	g.adminConn = g.dial(&admin, "")
	g.admin = pb.NewGatewayServiceClient(g.adminConn)
	return g
}

func (g *guarded) tokens() string { return filepath.Join(g.dir, "tokens") }

func (g *guarded) writeTokens(lines ...string) {
	g.t.Helper()
	next := g.tokens() + ".next"
	if err := os.WriteFile(next, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		g.t.Fatal(err)
	}
	if err := os.Rename(next, g.tokens()); err != nil {
		g.t.Fatal(err)
	}
}

var (
	listeningLine = regexp.MustCompile(` listening: listener=(\S+) address=(\S+)`)
	controlLine   = regexp.MustCompile(` control plane listening: address=(\S+)`)
)

// start runs the gateway until the test ends, and returns when it listens.
func (g *guarded) start(args ...string) {
	g.t.Helper()
	command := exec.Command(g.program, args...)
	stderr, err := command.StderrPipe()
	if err != nil {
		g.t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		g.t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	var log []string
	for g.control == "" && lines.Scan() {
		log = append(log, lines.Text())
		if m := listeningLine.FindStringSubmatch(lines.Text()); m != nil {
			g.listeners[m[1]] = m[2]
		}
		if m := controlLine.FindStringSubmatch(lines.Text()); m != nil {
			g.control = m[1]
		}
	}
	var reading sync.WaitGroup
	var rest strings.Builder
	reading.Go(func() { _, _ = io.Copy(&rest, stderr) })
	g.t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		_ = command.Process.Signal(syscall.SIGTERM) // the second one ends it at once
		reading.Wait()
		_ = command.Wait() // the exit code is 1 after a second signal
		if g.t.Failed() {
			g.t.Log(strings.Join(log, "\n") + "\n" + rest.String())
		}
	})
	if g.control == "" {
		g.t.Fatalf("the gateway did not start:\n%s", strings.Join(log, "\n"))
	}
}

// dial connects to the control plane with a certificate or the secret of a token, or neither.
func (g *guarded) dial(cert *tls.Certificate, secret string) *grpc.ClientConn {
	config := &tls.Config{RootCAs: g.ca.Pool()}
	if cert != nil {
		config.GetClientCertificate = presenting(*cert)
	}
	options := []grpc.DialOption{grpc.WithTransportCredentials(credentials.NewTLS(config))}
	if secret != "" {
		options = append(options, grpc.WithPerRPCCredentials(token.Bearer(secret)))
	}
	return g.connect(g.control, options...)
}

// presenting returns a certificate even where the server does not ask for its CA: a client of crypto/tls keeps it back
// otherwise.
func presenting(cert tls.Certificate) func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
}

func (g *guarded) connect(address string, options ...grpc.DialOption) *grpc.ClientConn {
	conn, err := grpc.NewClient(address, append(options, grpc.WithNoProxy())...)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// plainly is for calls without TLS.
func plainly() grpc.DialOption { return grpc.WithTransportCredentials(insecure.NewCredentials()) }

// within bounds a call to 20 seconds.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// with adds a header to a context.
func with(ctx context.Context, pairs ...string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, pairs...)
}
