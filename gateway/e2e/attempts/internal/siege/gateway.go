//go:build linux

// Package siege measures a real gateway under attack: the clients' echoes, an administrator and other callers beside
// the attackers, and the memory, the processor time and the log of the gateway's process.
package siege

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/sockgate/sockgate/gateway/e2e/internal/token"
	"github.com/sockgate/sockgate/gateway/internal/authority"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// callers are the identities of the token file, with their roles. The attackers are the first viewers and operators;
// watcher, operator-2 and admin are the callers that must be served meanwhile.
func callers() (lines []string) {
	for i := range 10 {
		lines = append(lines, tokenLine(fmt.Sprintf("viewer-%d", i+1), "viewer"))
	}
	return append(lines, tokenLine("operator-1", "operator"), tokenLine("operator-2", "operator"),
		tokenLine("operator-3", "operator"), tokenLine("watcher", "viewer"), tokenLine("admin", "admin"))
}

func tokenLine(name, role string) string { return name + " " + role + " " + token.HashOf(name) }

// Gateway is a gateway's process.
type Gateway struct {
	Control string // addresses
	Echo    string
	TLS     string
	Roots   *x509.CertPool // that the TLS listener's certificate chains to
	Log     *Logbook

	command *exec.Cmd
	ended   chan struct{}
	err     error // of the process, once it has ended
}

// Start starts a binary with a token file and required identities. Its files are in dir. Descriptors limits those of
// the process, and with them the connections of its control plane; 0 does not. The gateway ends with Stop or with ctx.
func Start(ctx context.Context, binary, dir string, descriptors int, flags ...string) (*Gateway, error) {
	g := &Gateway{Log: newLogbook(), ended: make(chan struct{})}
	if err := g.writeFiles(dir); err != nil {
		return nil, err
	}
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	args := append([]string{"--node", "edge-1", "--control-auth", "required", "--control", "127.0.0.1:0",
		"--control-token-file", filepath.Join(dir, "tokens"), "--drain-timeout", "1s",
		"--listen", "echo=127.0.0.1:0 tls=off",
		"--listen", "tls=127.0.0.1:0 tls-cert=" + cert + " tls-key=" + key,
	}, flags...)
	if descriptors > 0 {
		args = append([]string{"-c", fmt.Sprintf(`ulimit -n %d; exec "$0" "$@"`, descriptors), binary}, args...)
		binary = "sh"
	}
	g.command = exec.CommandContext(ctx, binary, args...)
	g.command.Stderr = g.Log
	g.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := g.command.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(g.ended)
		g.err = g.command.Wait()
	}()
	return g, g.await()
}

func (g *Gateway) writeFiles(dir string) error {
	ca := authority.New("attacks")
	cert := ca.Server(authority.CommonName("localhost"), authority.DNS("localhost"))
	g.Roots = ca.Pool()
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "tokens"), []byte(strings.Join(callers(), "\n")+"\n"), 0o600),
		os.WriteFile(filepath.Join(dir, "cert.pem"), cert.CertPEM(), 0o600),
		os.WriteFile(filepath.Join(dir, "key.pem"), cert.KeyPEM(), 0o600))
}

// await waits until the gateway listens.
func (g *Gateway) await() error {
	select {
	case <-g.Log.listening:
	case <-g.ended:
		return fmt.Errorf("the gateway did not start: %w\n%s", g.err, g.Log.Tail())
	case <-time.After(20 * time.Second):
		return errors.Join(errors.New("the gateway does not listen after 20 s"), g.Stop())
	}
	g.Echo, g.TLS, g.Control = g.Log.address("echo"), g.Log.address("tls"), g.Log.address("control")
	return nil
}

// PID returns the process's number.
func (g *Gateway) PID() int { return g.command.Process.Pid }

// Alive reports whether the process has not ended.
func (g *Gateway) Alive() bool {
	select {
	case <-g.ended:
		return false
	default:
		return true
	}
}

// Terminate asks the gateway to drain and end.
func (g *Gateway) Terminate() error { return g.command.Process.Signal(syscall.SIGTERM) }

// Stop ends the gateway as an operator does, and waits as Wait does.
func (g *Gateway) Stop() error {
	_ = g.Terminate() // it fails if the gateway has ended
	return g.Wait()
}

// Wait waits until the gateway has ended. The error says that it did not end well, or not within 20 s.
func (g *Gateway) Wait() error {
	select {
	case <-g.ended:
	case <-time.After(20 * time.Second):
		last := g.Log.Last()
		_ = g.command.Process.Signal(syscall.SIGQUIT) // it says where its goroutines are
		<-g.ended
		return fmt.Errorf("the gateway did not end within 20 s of SIGTERM: %s\n%s", last, g.Log.Tail())
	}
	if g.err != nil {
		return fmt.Errorf("the gateway ended with %w: %s", g.err, g.Log.Last())
	}
	return nil
}

// Dial returns a connection with the control plane as a caller of the token file.
func (g *Gateway) Dial(caller string) (*grpc.ClientConn, error) {
	return grpc.NewClient(g.Control, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy(),
		grpc.WithPerRPCCredentials(token.Bearer(token.Of(caller))),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)))
}

// As calls f with a client of a caller, on a connection of its own.
func (g *Gateway) As(caller string, f func(pb.GatewayServiceClient) error) error {
	conn, err := g.Dial(caller)
	if err != nil {
		return err
	}
	return errors.Join(f(pb.NewGatewayServiceClient(conn)), conn.Close())
}
