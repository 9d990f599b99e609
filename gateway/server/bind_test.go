package server_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sockgate/sockgate/gateway/handler"
	"github.com/sockgate/sockgate/gateway/server"
)

func newServer(t *testing.T, addresses ...string) *server.Server {
	t.Helper()
	c := server.Config{Node: "test", Handler: handler.Echo{}}
	for _, a := range addresses {
		c.Listeners = append(c.Listeners, server.ListenerConfig{Address: a})
	}
	s, err := server.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Shutdown(t.Context()) })
	return s
}

// The error about a listener that cannot be bound names it and its address, and no listener is bound then.
func TestListenErrors(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	live := filepath.Join(dir, "live.sock")
	owner, err := net.Listen("unix", live)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ address, say string }{
		{taken.Addr().String(), "is in use"},
		{"unix://" + live, "is in use"},
		{"unix://" + file, "is in use"},
		{"unix://" + dir + "/no/such/place", "no such file"},
		{"127.0.0.1", "host:port"},
		{"127.0.0.1:99999", "host:port"},
		{"nonsense", "host:port"},
		{"unix:/one/slash", "unix:///path"},
	} {
		first := filepath.Join(t.TempDir(), "first.sock")
		err := newServer(t, "unix://"+first, c.address).Listen()
		if err == nil || !strings.Contains(err.Error(), c.say) ||
			!strings.Contains(err.Error(), strings.TrimPrefix(c.address, "unix://")) {
			t.Errorf("listening on %s: %v; expected an error that names it and says %q", c.address, err, c.say)
		}
		if _, err := os.Lstat(first); !os.IsNotExist(err) {
			t.Errorf("after that the first listener is still bound: %v", err)
		}
	}
	if c, err := net.Dial("unix", live); err != nil {
		t.Errorf("the socket of another process was harmed: %v", err)
	} else {
		c.Close()
	}
	if p, err := os.ReadFile(file); string(p) != "precious" {
		t.Errorf("the file was harmed: %q, %v", p, err)
	}
}

// The socket file of a process that has ended is replaced.
func TestStaleUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stale.sock")
	old, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	old.(*net.UnixListener).SetUnlinkOnClose(false)
	old.Close()
	g := start(t, server.Config{Listeners: []server.ListenerConfig{{Address: "unix://" + path}}})
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, c, []byte("hello"))
	mustRead(t, c, "hello")
	c.Close()
	g.stop()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket file is left behind: %v", err)
	}
}

// A socket with a full backlog does not answer either, but it is in use.
func TestBusyUnixSocketIsNotStale(t *testing.T) {
	path := filepath.Join(t.TempDir(), "busy.sock")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	for { // until the backlog is full
		c, err := net.Dial("unix", path)
		if err != nil {
			break
		}
		defer c.Close()
	}
	if err := newServer(t, "unix://"+path).Listen(); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("Listen: %v; expected that the socket is in use", err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the busy socket's file is gone: %v", err)
	}
}
