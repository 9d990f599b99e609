package daemon_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestStartLog checks that a start logs one line for each listener, one for the control plane, one about bans and one
// about memory, in either format, and nothing else.
func TestStartLog(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := run(nil, "--node", "n", "--listen", "a=127.0.0.1:0", "--listen", "127.0.0.1:0", "--control",
				"127.0.0.1:0", "--log-format", format)
			if code != 0 || stdout != "" {
				t.Errorf("exit %d, stdout %q", code, stdout)
			}
			start, _, drained := strings.Cut(stderr, "drain started")
			lines := strings.Split(strings.TrimSpace(start), "\n")
			lines = lines[:len(lines)-1] // without the line about the drain, which may be cut
			if len(lines) != 5 || !drained {
				t.Fatalf("%q", stderr)
			}
			if !strings.Contains(lines[3], "bans do not survive a restart") || !strings.Contains(lines[3], "--state-dir") {
				t.Errorf("%q", lines[3])
			}
			if !strings.Contains(lines[4], "memory limit") || !strings.Contains(lines[4], "from") {
				t.Errorf("%q", lines[4])
			}
			for i, want := range []string{"listening", "listening", "control plane listening"} {
				if !strings.Contains(lines[i], want) || !strings.Contains(lines[i], "127.0.0.1:") ||
					strings.Contains(lines[i], "127.0.0.1:0 ") && i == 0 {
					t.Errorf("line %d is %q", i, lines[i])
				}
			}
			for _, line := range strings.Split(strings.TrimSpace(stderr), "\n") {
				if err := json.Unmarshal([]byte(line), new(map[string]any)); (err == nil) != (format == "json") {
					t.Errorf("%q: %v", line, err)
				}
			}
		})
	}
}

// TestSettings checks that settings from the command line, the environment and the file are in force at once.
func TestSettings(t *testing.T) {
	t.Parallel()
	file := write(t, "idle-timeout: 5m\nhigh-water: 4096\ngreeting: from the file\nlisten:\n- one=127.0.0.1:0\n- "+
		"two=127.0.0.1:0\n")
	g := startWith(t, []string{"SOCKGATE_CONFIG=" + file, "SOCKGATE_GREETING=hello ", "SOCKGATE_MAX_CONNECTIONS=2",
		"SOCKGATE_IDLE_ACTION=notify", "SOCKGATE_GATEWAY=192.0.2.1:1", "SOCKGATE_VERSION=1.2",
		"SOCKGATE_ECHO_PREFIX=not this"},
		"--control", "localhost:0", "--log-format", "json", "--node", "n", "--echo-prefix", "> ",
		"--drain-timeout", "3s", "--write-timeout", "7s", "--send-queue-limit", "8KiB", "--event-log-size", "300",
		"--engine", "net")
	if first := g.lines[0]; !strings.Contains(first, "SOCKGATE_VERSION") || !strings.Contains(first, `"warn"`) ||
		len(g.lines) != 4 {
		t.Errorf("%q", g.lines)
	}
	info := g.info()
	limits := info.GetLimits()
	got := fmt.Sprint(info.GetNode(), len(info.GetListeners()), info.GetListeners()[0].GetName(),
		info.GetListeners()[1].GetName(), info.GetListeners()[0].GetHandler(),
		limits.GetIdleTimeout().AsDuration(), limits.GetIdleAction(), limits.GetHighWater(), limits.GetLowWater(),
		limits.GetSendQueueLimit(), limits.GetMaxConnections(), limits.GetWriteTimeout().AsDuration(),
		limits.GetDrainTimeout().AsDuration(), limits.GetEventLogSize(), info.GetEngine())
	if want := fmt.Sprint("n", 2, "one", "two", "echo", 5*time.Minute, "notify", 4096, 2048, 8192, 2, 7*time.Second,
		3*time.Second, 512, "net"); got != want {
		t.Errorf("%s; expected %s", got, want)
	}
	conn := g.dial()
	expectRead(t, conn, "hello ")
	_, err := conn.Write([]byte("x"))
	check(t, err)
	expectRead(t, conn, "> x")
	check(t, conn.Close())
	g.signals <- syscall.SIGTERM
	if code := g.exit(); code != 0 || g.stdout.Len() != 0 {
		t.Errorf("exit %d, stdout %q", code, g.stdout)
	}
}

// TestInUse checks that an address in use is named, and that a start that fails leaves nothing behind.
func TestInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer taken.Close()
	socket := filepath.Join(t.TempDir(), "taken")
	takenSocket, err := net.Listen("unix", socket)
	check(t, err)
	defer takenSocket.Close()
	data := filepath.Join(t.TempDir(), "data")
	for _, args := range [][]string{
		{"--listen", taken.Addr().String(), "--control", "127.0.0.1:0"},
		{"--listen", "x=unix://" + data, "--listen", taken.Addr().String(), "--control", "127.0.0.1:0"},
		{"--listen", "unix://" + data, "--control", taken.Addr().String()},
		{"--listen", "unix://" + data, "--control", "unix://" + socket},
		{"--listen", "unix://" + socket, "--control", "127.0.0.1:0"},
		{"--listen", "unix://" + data, "--control", "unix:///nowhere/control"},
	} {
		code, stdout, stderr := run(nil, append(args, "--node", "n")...)
		named := strings.Contains(stderr, taken.Addr().String()) || strings.Contains(stderr, socket) ||
			strings.Contains(stderr, "/nowhere/control")
		if code != 1 || stdout != "" || !strings.HasPrefix(stderr, "gateway: ") || strings.Count(stderr, "\n") != 1 ||
			!named {
			t.Errorf("%q: exit %d, stdout %q, stderr %q", args, code, stdout, stderr)
		}
		if _, err := os.Lstat(data); err == nil {
			t.Errorf("%q: %s is left", args, data)
		}
	}
}

// TestUnixControl checks that a control plane on a unix socket is for its owner only, works, and removes its file.
func TestUnixControl(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "g") // a short path, because a socket's path is limited to about 100 bytes
	check(t, err)
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "control")
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	check(t, err)
	stale.SetUnlinkOnClose(false)
	check(t, stale.Close())
	g := start(t, nil, "--control", "unix://"+path)
	file, err := os.Stat(path)
	check(t, err)
	if mode := file.Mode(); mode.Perm() != 0o600 || mode&os.ModeSocket == 0 {
		t.Errorf("mode %s", mode)
	}
	if got := g.info().GetNode(); got != "test" {
		t.Errorf("node %q", got)
	}
	stream := g.follow(&pb.StreamEventsRequest{Types: []pb.EventType{pb.EventType_EVENT_TYPE_CONTROL}})
	_, err = g.client.Shutdown(patiently(t), &pb.ShutdownRequest{})
	check(t, err)
	if events := remaining(t, stream); len(events) != 1 || events[0].GetControl().GetProof() != "unix" {
		t.Error(events)
	}
	if code := g.exit(); code != 0 {
		t.Errorf("exit %d", code)
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("the socket's file is left")
	}
}
