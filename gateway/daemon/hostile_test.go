package daemon_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/sockgate/sockgate/gateway/daemon"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestSilentControlClient checks that a client that connects to the control plane and sends nothing does not delay the
// end.
func TestSilentControlClient(t *testing.T) {
	t.Parallel()
	g := start(t, nil)
	silent, err := net.Dial("tcp", g.control)
	check(t, err)
	defer silent.Close()
	g.info() // answered after the client has connected
	g.signals <- syscall.SIGTERM
	if code := g.exit(); code != 0 {
		t.Errorf("exit %d", code)
	}
	if _, err := io.Copy(io.Discard, silent); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Error(err)
	}
}

// stuck is a standard error whose reader stops after the first bytes.
type stuck struct {
	mu   sync.Mutex
	head bytes.Buffer
	free chan struct{}
}

func (s *stuck) Write(p []byte) (int, error) {
	s.mu.Lock()
	full := s.head.Len() > 500
	s.head.Write(p)
	s.mu.Unlock()
	if full {
		<-s.free
	}
	return len(p), nil
}

// TestStuckLog checks that an unread log delays neither verbs nor the end.
func TestStuckLog(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "control.sock")
	log := &stuck{free: make(chan struct{})}
	defer close(log.free)
	signals := make(chan os.Signal, 1)
	code := make(chan int, 1)
	go func() {
		code <- daemon.Run(context.Background(), daemon.Process{Args: []string{"--listen", "127.0.0.1:0", "--control",
			"unix://" + socket},
			Stdout: io.Discard, Stderr: log, Signals: signals})
	}()
	i := &instance{t: t, control: socket}
	i.client = i.connect()
	for {
		if _, err := i.client.GetGateway(patiently(t), &pb.GetGatewayRequest{}); err == nil {
			break
		}
	}
	for range 20 { // each writes a line to the log
		_, err := i.client.SetLabels(patiently(t), &pb.SetLabelsRequest{Filter: "true",
			Set: map[string]string{"a": strings.Repeat("b", 200)}})
		check(t, err)
	}
	signals <- syscall.SIGTERM
	if c := <-code; c != 0 {
		t.Errorf("exit %d", c)
	}
}

// TestSuccessorsSocket checks that a gateway that ends leaves the socket file alone if another gateway has replaced it.
func TestSuccessorsSocket(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data, control := filepath.Join(dir, "data.sock"), filepath.Join(dir, "control.sock")
	args := []string{"--listen", "unix://" + data, "--control", "unix://" + control, "--node", "test", "--log-format",
		"json"}
	old := startWith(t, nil, args...)
	check(t, os.Remove(data))
	check(t, os.Remove(control))
	successor := startWith(t, nil, args...)
	old.signals <- syscall.SIGTERM
	if code := old.exit(); code != 0 {
		t.Errorf("exit %d", code)
	}
	conn, err := net.Dial("unix", data)
	check(t, err)
	echo(t, conn, "hi")
	if n := successor.info().GetTotals().GetConnections(); n != 1 {
		t.Errorf("%d connections", n)
	}
	check(t, conn.Close())
	successor.signals <- syscall.SIGTERM
	if code := successor.exit(); code != 0 {
		t.Errorf("exit %d", code)
	}
	for _, path := range []string{data, control} {
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("%s was left behind: %v", path, err)
		}
	}
}
