package dial

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/goleak"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/ctltest"
)

// TestMain fails when a test leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// invocation is one run of `ctl dial`.
type invocation struct {
	ctx    context.Context
	stdin  io.Reader
	stdout *ctltest.Output
	stderr *ctltest.Output
}

// dialRun is `ctl dial` without a gateway.
func dialRun(t *testing.T) *invocation {
	return &invocation{ctx: t.Context(), stdin: strings.NewReader(""), stdout: ctltest.NewOutput(),
		stderr: ctltest.NewOutput()}
}

// run returns the exit code.
func (i *invocation) run(args ...string) int {
	return app.Run(i.ctx, args, app.Env{
		Stdin: i.stdin, Stdout: i.stdout, Stderr: i.stderr,
		Now: func() time.Time { return time.Date(2026, 3, 4, 10, 31, 2, 123e6, time.UTC) },
	}, func(a *app.App) *cobra.Command {
		root := &cobra.Command{Use: "ctl"}
		root.AddCommand(Command(a))
		return root
	})
}

// peerServer serves each connection of the listener with handle, and returns its address.
func peerServer(t *testing.T, listener net.Listener, handle func(net.Conn)) string {
	return ctltest.Serve(t, listener, func(_ int, conn net.Conn) { handle(conn) })
}

// dialed is the output of dial, with ports and measured times replaced, sorted by name and in order within each.
func dialed(run *invocation) string {
	text := regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(run.stdout.String(), "ADDR")
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	slices.SortStableFunc(lines, func(a, b string) int {
		return strings.Compare(strings.Fields(a + " -")[0], strings.Fields(b + " -")[0])
	})
	return strings.Join(lines, "\n")
}

func expectDialed(t *testing.T, run *invocation, code int, want string, args ...string) {
	t.Helper()
	if got := run.run(append([]string{"dial"}, args...)...); got != code {
		t.Errorf("exit code %d, want %d; stderr %s", got, code, run.stderr)
	}
	if got := dialed(run); got != strings.TrimSpace(want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// echo answers "Sending: " and the bytes, and ends when the peer ends.
func echo(conn net.Conn) {
	buf := make([]byte, 1024)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		_, _ = conn.Write(append([]byte("Sending: "), buf[:n]...))
	}
}

func TestDialThreeAtOnce(t *testing.T) {
	addr := peerServer(t, ctltest.Listen(t), echo)
	expectDialed(t, dialRun(t), app.ExitDone, `
Dwarves connected local=ADDR remote=ADDR
Dwarves data "Sending: More Axes"
Dwarves end
Dwarves close received=18 sent=9
Elves connected local=ADDR remote=ADDR
Elves data "Sending: More Arrows"
Elves end
Elves close received=20 sent=11
Hobbits connected local=ADDR remote=ADDR
Hobbits data "Sending: More Pipe Weed"
Hobbits end
Hobbits close received=23 sent=14
`, "--name", "Dwarves", "--name", "Elves", "--name", "Hobbits", "--send", "More Axes", "--send", "More Arrows", "--send", "More Pipe Weed",
		"--timeout", "1h", "--once", addr)
}

func TestDialSendsOneTextToAll(t *testing.T) {
	addr := peerServer(t, ctltest.Listen(t), echo)
	expectDialed(t, dialRun(t), app.ExitDone, `
a connected local=ADDR remote=ADDR
a data 53656e64696e673a2048690a
a end
a close received=12 sent=3
b connected local=ADDR remote=ADDR
b data 53656e64696e673a2048690a
b end
b close received=12 sent=3
`, "--name", "a", "--name", "b", "--send", "4869", "--send-encoding", "hex", "-n", "--encoding", "hex", "--once", addr)
}

func TestDialSendsStdin(t *testing.T) {
	addr := peerServer(t, ctltest.Listen(t), func(conn net.Conn) {
		all, _ := io.ReadAll(conn) // to the half-close
		_, _ = conn.Write([]byte(strings.ToUpper(string(all))))
	})
	run := dialRun(t)
	run.stdin = strings.NewReader("one\r\ntwo\x00")
	expectDialed(t, run, app.ExitDone, `
a connected local=ADDR remote=ADDR
a data "ONE\r\nTWO\x00"
a end
a close received=9 sent=9
b connected local=ADDR remote=ADDR
b data "ONE\r\nTWO\x00"
b end
b close received=9 sent=9
`, "--name", "a", "--name", "b", addr)
}

// The server sends each piece when ctl has acknowledged the one before, so that a packet never has two.
func TestDialDecodesAcrossPackets(t *testing.T) {
	stdin, typing := io.Pipe()
	run := dialRun(t)
	run.stdin = stdin
	addr := peerServer(t, ctltest.Listen(t), func(conn net.Conn) {
		defer typing.Close()
		_, _ = conn.Write([]byte("h\xc3"))
		run.stdout.Await(t, `data "h"`)
		_, _ = conn.Write([]byte("\xa9!\xe2\x82"))
		run.stdout.Await(t, `data "é!"`)
	})
	expectDialed(t, run, app.ExitDone, `
client connected local=ADDR remote=ADDR
client data "h"
client data "é!"
client data "�"
client end
client close received=6 sent=0
`, addr)
}

func TestDialTimeout(t *testing.T) {
	run := dialRun(t)
	addr := peerServer(t, ctltest.Listen(t), func(conn net.Conn) {
		run.stdout.Await(t, "timeout after=20ms")
		_, _ = conn.Write([]byte("a"))
		// again, but only after activity
		run.stdout.Await(t, "timeout after=20ms\nclient data \"a\"\nclient timeout after=20ms\n")
	})
	expectDialed(t, run, app.ExitDone, `
client connected local=ADDR remote=ADDR
client timeout after=20ms
client data "a"
client timeout after=20ms
client end
client close received=1 sent=0
`, "--send", "", "--timeout", "20ms", addr)
}

func TestDialTimeoutCloses(t *testing.T) {
	addr := peerServer(t, ctltest.Listen(t), func(conn net.Conn) { _, _ = io.ReadAll(conn) })
	expectDialed(t, dialRun(t), app.ExitDone, `
client connected local=ADDR remote=ADDR
client timeout after=20ms
client close received=0 sent=1
`, "--send", "x", "--timeout", "20ms", "--timeout-action", "close", addr)
}

func TestDialRefused(t *testing.T) {
	expectDialed(t, dialRun(t), app.ExitFailed, `
a error dial tcp ADDR: connect: connection refused
a close
b error dial tcp ADDR: connect: connection refused
b close
`, "--name", "a", "--name", "b", ctltest.Refused(t))
}

func TestDialReset(t *testing.T) {
	var once sync.Once
	first := make(chan struct{})
	addr := peerServer(t, ctltest.Listen(t), func(conn net.Conn) {
		p := make([]byte, 1)
		_, _ = io.ReadFull(conn, p)
		if p[0] == 'r' {
			_ = conn.(*net.TCPConn).SetLinger(0) // closing resets
			once.Do(func() { close(first) })
			return
		}
		<-first
	})
	run := dialRun(t)
	if code := run.run("dial", "--name", "good", "--name", "reset", "--send", "g", "--send", "r",
		addr); code != app.ExitPartial {
		t.Errorf("exit code %d", code)
	}
	got := dialed(run)
	if !strings.Contains(got, "good end\ngood close received=0 sent=1") ||
		!strings.Contains(got, "connection reset by peer\nreset close received=0 sent=1") {
		t.Errorf("got:\n%s", got)
	}
}

func TestDialHalfOpen(t *testing.T) {
	stdin, typing := io.Pipe()
	run := dialRun(t)
	run.stdin = stdin
	got := make(chan string, 1)
	addr := peerServer(t, ctltest.Listen(t), func(conn net.Conn) {
		_ = conn.(*net.TCPConn).CloseWrite()
		run.stdout.Await(t, "client end")
		_, _ = typing.Write([]byte("still here"))
		_ = typing.Close()
		all, _ := io.ReadAll(conn)
		got <- string(all)
	})
	expectDialed(t, run, app.ExitDone, `
client connected local=ADDR remote=ADDR
client end
client close received=0 sent=10
`, "--half-open", addr)
	if text := <-got; text != "still here" {
		t.Errorf("the peer got %q", text)
	}
}

func TestDialInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	run := dialRun(t)
	run.ctx = ctx
	addr := peerServer(t, ctltest.Listen(t), func(conn net.Conn) {
		run.stdout.Await(t, "connected")
		cancel()
		_, _ = io.ReadAll(conn) // the half-close
		_, _ = conn.Write([]byte("bye"))
	})
	expectDialed(t, run, app.ExitDone, `
client connected local=ADDR remote=ADDR
client data "bye"
client end
client close received=3 sent=0
`, "--send", "", addr)
}

// A peer that does not read keeps ctl neither from reading nor, after an interrupt, from ending.
func TestDialBackpressure(t *testing.T) {
	run := dialRun(t)
	run.stdin = io.LimitReader(ctltest.Endless{}, 64<<20)
	total := make(chan int64, 1)
	addr := peerServer(t, ctltest.Listen(t), func(conn net.Conn) {
		run.stdout.Await(t, "client backpressure")
		_, _ = conn.Write([]byte("still reading"))
		run.stdout.Await(t, `client data "still reading"`)
		n, _ := io.Copy(io.Discard, conn)
		total <- n
	})
	if code := run.run("dial", addr); code != app.ExitDone {
		t.Errorf("exit code %d", code)
	}
	run.stdout.Await(t, "client drain after=")
	run.stdout.Await(t, "client close received=13 sent=67108864")
	if n := <-total; n != 64<<20 {
		t.Errorf("the peer got %d bytes", n)
	}
}

func TestDialInterruptUnderBackpressure(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	run := dialRun(t)
	run.ctx, run.stdin = ctx, io.LimitReader(ctltest.Endless{}, 64<<20)
	addr := peerServer(t, ctltest.Listen(t), func(net.Conn) {
		run.stdout.Await(t, "client backpressure")
		cancel()
		run.stdout.Await(t, "client close")
	})
	if code := run.run("dial", addr); code != app.ExitDone {
		t.Errorf("exit code %d: %s", code, run.stdout)
	}
}

func TestDialUnixAndJSON(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	peerServer(t, listener, echo)
	run := dialRun(t)
	if code := run.run("dial", "-o", "json", "--send", "<hi>", "--once", "unix://"+path); code != app.ExitDone {
		t.Errorf("exit code %d: %s", code, run.stdout)
	}
	var events []string
	for _, line := range strings.Split(strings.TrimSpace(run.stdout.String()), "\n") {
		var e map[string]any
		if err := json.Unmarshal([]byte(line), &e); err != nil || e["name"] != "client" ||
			e["time"] != "2026-03-04T10:31:02.123Z" {
			t.Errorf("%s: %v", line, err)
		}
		events = append(events, e["event"].(string))
	}
	if strings.Join(events, " ") != "connected data end close" {
		t.Errorf("events %v", events)
	}
	for _, part := range []string{`"remote":"unix:` + path + `"`, `"data":"Sending: <hi>","encoding":"utf8"`,
		`"bytesReceived":13,"bytesSent":4}`} {
		run.stdout.Await(t, part)
	}
}
