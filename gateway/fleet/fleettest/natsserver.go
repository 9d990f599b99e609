package fleettest

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// NATSServer is a real nats-server of the version in go.mod, in a process of its own. Its methods may be called by one
// goroutine at a time, and fail the test on an error.
type NATSServer struct {
	Address string // host:port for clients

	t       testing.TB
	args    []string
	dir     string
	environ []string
	command *exec.Cmd
	logged  sync.WaitGroup
}

// binaries is the directory of the built server; empty before it is built.
var binaries string

// build builds the server once in a test run. It copies the binary that `go run` would run, because the build cache
// keeps that one: `go build` would link again.
var build = sync.OnceValues(func() (path string, err error) {
	if binaries, err = os.MkdirTemp("", "nats-server"); err != nil {
		return "", err
	}
	path = filepath.Join(binaries, "nats-server")
	out, err := exec.Command("go", "run", "-exec", "cp", "github.com/nats-io/nats-server/v2", path).CombinedOutput()
	if err != nil {
		return "", errors.New(string(out))
	}
	return path, nil
})

// RemoveBinaries removes the built server. A package whose tests start servers calls it when its tests have ended.
func RemoveBinaries() error {
	if binaries == "" {
		return nil
	}
	return os.RemoveAll(binaries)
}

// StartNATS starts a server. address is its address for clients and may have port 0; args are more arguments. The
// server is killed when the test ends.
func StartNATS(t testing.TB, address string, args ...string) *NATSServer {
	t.Helper()
	return startNATS(t, &NATSServer{t: t, Address: address, args: args, dir: t.TempDir()})
}

// StartNATSFile starts a server with a configuration file, on a free port, in the file's directory. environ is added to
// its environment. The server is killed when the test ends.
func StartNATSFile(t testing.TB, file string, environ ...string) *NATSServer {
	t.Helper()
	return startNATS(t, &NATSServer{t: t, Address: "127.0.0.1:0", args: []string{"-c", file}, dir: filepath.Dir(file),
		environ: environ})
}

func startNATS(t testing.TB, s *NATSServer) *NATSServer {
	t.Helper()
	s.Start()
	t.Cleanup(s.Stop)
	return s
}

// URL returns the server's URL, for clients.
func (s *NATSServer) URL() string { return "nats://" + s.Address }

// Start runs the server, and waits until it listens. After Stop it listens on the same port.
func (s *NATSServer) Start() {
	s.t.Helper()
	path, err := build()
	s.check(err)
	host, port, err := net.SplitHostPort(s.Address)
	s.check(err)
	if port == "0" {
		port = "-1" // nats-server's value for any port
	}
	s.command = exec.Command(path, append([]string{"-a", host, "-p", port}, s.args...)...)
	s.command.Dir, s.command.Env = s.dir, append(os.Environ(), s.environ...)
	stderr, err := s.command.StderrPipe()
	s.check(err)
	s.check(s.command.Start())
	lines := bufio.NewReader(stderr)
	var said strings.Builder
	for ready := false; !ready; {
		line, err := lines.ReadString('\n')
		said.WriteString(line)
		if err != nil {
			_ = s.command.Wait()
			s.t.Fatalf("the server has not started: %v\n%s", err, said.String())
		}
		if _, address, ok := strings.Cut(line, "Listening for client connections on "); ok {
			s.Address = strings.TrimSpace(address)
		}
		ready = strings.Contains(line, "Server is ready")
	}
	s.logged.Go(func() { _, _ = io.Copy(io.Discard, lines) })
}

// Stop kills the server. A second call does nothing.
func (s *NATSServer) Stop() {
	if s.command == nil {
		return
	}
	_ = s.command.Process.Kill()
	s.logged.Wait()
	_ = s.command.Wait() // the error says that it was killed
	s.command = nil
}

func (s *NATSServer) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}
