package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/goleak"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/ctltest"
)

// TestMain fails when a test leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// benchRun is one run of `ctl bench`.
type benchRun struct {
	ctx       context.Context
	gateway   string
	terminal  bool // of stderr
	variables map[string]string
	dial      func(ctx context.Context, network, address string) (net.Conn, error)
	stdout    *ctltest.Output
	stderr    *ctltest.Output
	took      time.Duration // duration of run, in a bubble of synctest
}

func newBenchRun(ctx context.Context, gateway string) *benchRun {
	return &benchRun{ctx: ctx, gateway: gateway, stdout: ctltest.NewOutput(), stderr: ctltest.NewOutput()}
}

// run returns the exit code of ctl bench with these words, and with more.
func (r *benchRun) run(words string, more ...string) int {
	args := append([]string{"bench", "--gateway", r.gateway}, strings.Fields(words)...)
	return app.Run(r.ctx, append(args, more...), app.Env{
		Stdin: strings.NewReader(""), Stdout: r.stdout, Stderr: r.stderr, StderrIsTerminal: r.terminal,
		Getenv: func(key string) string { return r.variables[key] },
		Dial:   r.dial,
	}, func(a *app.App) *cobra.Command {
		root := &cobra.Command{Use: "ctl"}
		root.AddCommand(Command(a))
		return root
	})
}

// result reads the one object of -o json, and nothing else, into v.
func (r *benchRun) result(t testing.TB, v any) {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(r.stdout.String()))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		t.Fatalf("%v in %q; stderr: %s", err, r.stdout, r.stderr)
	}
	if dec.More() {
		t.Errorf("more than one object: %s", r.stdout)
	}
}

// piped dials in-process connections that serve answers, for tests in a bubble of synctest.
func piped(serving *sync.WaitGroup, serve func(number int, conn net.Conn)) func(context.Context, string,
	string) (net.Conn, error) {
	var mu sync.Mutex
	number := 0
	return func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		mu.Lock()
		defer mu.Unlock()
		n := number
		number++
		serving.Go(func() {
			defer far.Close()
			serve(n, far)
		})
		return near, nil
	}
}

// inBubble runs ctl bench against serve in a bubble of synctest. There the clock jumps ahead when all goroutines wait,
// so no wait and no sleep takes real time.
func inBubble(t *testing.T, serve func(number int, conn net.Conn), words string,
	check func(t *testing.T, r *benchRun, code int)) {
	synctest.Test(t, func(t *testing.T) {
		var serving sync.WaitGroup
		r := newBenchRun(t.Context(), "127.0.0.1:1")
		r.dial = piped(&serving, serve)
		begun := time.Now()
		code := r.run(words)
		r.took = time.Since(begun)
		serving.Wait()
		check(t, r, code)
	})
}

// near says that a histogram with three digits may say got for want.
func near(got, want float64) bool { return got >= want*0.998 && got <= want*1.002 }

// stallOnce echoes messages of size bytes, and waits once, before the answer to message number at (from 0). It is for
// bubbles of synctest.
func stallOnce(size, at int, wait time.Duration) func(int, net.Conn) {
	return func(_ int, conn net.Conn) {
		message := make([]byte, size)
		for k := 0; ; k++ {
			if _, err := io.ReadFull(conn, message); err != nil {
				return
			}
			if k == at {
				time.Sleep(wait)
			}
			if _, err := conn.Write(message); err != nil {
				return
			}
		}
	}
}

// keys are the names of an object's fields in their order, with those of the objects in it.
func keys(t testing.TB, text string) string {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	var b strings.Builder
	var read func()
	read = func() {
		token, err := dec.Token()
		if err != nil {
			t.Fatal(err)
		}
		switch token {
		case json.Delim('{'):
			b.WriteString("{")
			for first := true; dec.More(); first = false {
				name, _ := dec.Token()
				if !first {
					b.WriteString(" ")
				}
				b.WriteString(name.(string))
				read()
			}
			b.WriteString("}")
			_, _ = dec.Token()
		case json.Delim('['):
			for dec.More() {
				_, _ = dec.Token()
			}
			_, _ = dec.Token()
		}
	}
	read()
	return b.String()
}

// firstLine reads one line.
func firstLine(text string) string {
	lines := bufio.NewScanner(strings.NewReader(text))
	lines.Scan()
	return lines.Text()
}
