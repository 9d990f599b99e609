package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/bench"
)

// benchRun is one run of `ctl bench`.
type benchRun struct {
	ctx       context.Context
	gateway   string
	terminal  bool // of stderr
	variables map[string]string
	dial      func(ctx context.Context, network, address string) (net.Conn, error)
	stdout    *watched
	stderr    *watched
	took      time.Duration // what run took, where time is not real
}

func newBenchRun(ctx context.Context, gateway string) *benchRun {
	return &benchRun{ctx: ctx, gateway: gateway, stdout: newWatched(), stderr: newWatched()}
}

// run returns the exit code of ctl bench with these words, and with more.
func (r *benchRun) run(words string, more ...string) int {
	args := append([]string{"bench", "--gateway", r.gateway}, strings.Fields(words)...)
	return Run(r.ctx, append(args, more...), app.Env{
		Stdin: strings.NewReader(""), Stdout: r.stdout, Stderr: r.stderr, StderrIsTerminal: r.terminal,
		Getenv: func(key string) string { return r.variables[key] },
		Dial:   r.dial,
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

// server answers each connection that it accepts with serve, and closes it after that.
func server(t testing.TB, serve func(number int, conn net.Conn)) string {
	t.Helper()
	listener := listen(t)
	var serving sync.WaitGroup
	serving.Go(func() {
		for number := 0; ; number++ {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				serve(number, conn)
			})
		}
	})
	t.Cleanup(func() { _ = listener.Close(); serving.Wait() })
	return listener.Addr().String()
}

func echoAll(_ int, conn net.Conn) { _, _ = io.Copy(conn, conn) }

// piped dials in-process connections that serve answers, for tests in which time is not real.
func piped(serving *sync.WaitGroup, serve func(number int, conn net.Conn)) func(context.Context, string, string) (net.Conn, error) {
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

// inBubble runs ctl bench against serve while time stands still unless everybody waits.
func inBubble(t *testing.T, serve func(number int, conn net.Conn), words string, check func(t *testing.T, r *benchRun, code int)) {
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

// stallOnce echoes, and waits once, before the answer to message number at (from 0) of size bytes.
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

// TestBenchEchoCountsWhatAStallDelays holds that at a fixed rate a stall of 2 s shows in the 200 messages that were due meanwhile,
// and not only in the one that was under way.
func TestBenchEchoCountsWhatAStallDelays(t *testing.T) {
	for _, pipeline := range []string{"1", "7"} {
		inBubble(t, stallOnce(64, 300, 2*time.Second), "echo -c 1 --rate 100 -d 10s --warmup 0s -o json x:1 --pipeline "+pipeline, func(t *testing.T, r *benchRun, code int) {
			var got bench.EchoResult
			r.result(t, &got)
			l := got.LatencyMicroseconds
			if code != app.ExitDone || got.Messages != 1000 || got.Answered != 1000 || got.Unanswered+got.Unsent != 0 || l.Count != 1000 {
				t.Errorf("exit code %d, %+v; 1,000 messages were due in 10 s, and all could be answered", code, got)
			}
			// 200 of 1,000 were delayed by 0 to 2 s, evenly.
			if l.P50 > 1 || !near(l.P90, 1e6) || !near(l.P99, 1.9e6) || !near(l.Max, 2e6) {
				t.Errorf("pipeline %s: %+v; a fifth should be late by up to 2 s", pipeline, l)
			}
			if late := got.SendLateMicroseconds; late.Max > 1 {
				t.Errorf("sent late by %v µs: it was the server that was late", late.Max)
			}
			if !near(got.MessagesPerSecond, 100) || got.MeasuredSeconds != 10 {
				t.Errorf("%v/s in %v s", got.MessagesPerSecond, got.MeasuredSeconds)
			}
		})
	}
}

// TestBenchEchoCountsWhatHasNoAnswer holds that messages which the end finds unanswered, or due and unsent, count with their wait.
func TestBenchEchoCountsWhatHasNoAnswer(t *testing.T) {
	inBubble(t, stallOnce(64, 500, time.Hour), "echo -c 1 --rate 100 -d 10s --warmup 0s -o json x:1", func(t *testing.T, r *benchRun, code int) {
		var got bench.EchoResult
		r.result(t, &got)
		l := got.LatencyMicroseconds
		if code != app.ExitDone || got.Messages != 1000 || got.Answered != 500 || got.Unanswered != 1 || got.Unsent != 499 || l.Count != 1000 {
			t.Errorf("exit code %d, %+v", code, got)
		}
		// The server stopped at 5 s, and the last answers may come until 11 s.
		if !near(l.Max, 6e6) || !near(l.P99, 5.9e6) || l.P50 > 1 {
			t.Errorf("%+v", l)
		}
		if !strings.Contains(r.stderr.String(), "500 of 1,000 messages due had no answer by the end") {
			t.Errorf("stderr: %s", r.stderr)
		}
	})
	// As fast as possible, what is under way counts too.
	inBubble(t, stallOnce(64, 0, time.Hour), "echo -c 3 -p 2 -d 10s --warmup 0s -o json x:1", func(t *testing.T, r *benchRun, code int) {
		var got bench.EchoResult
		r.result(t, &got)
		if code != app.ExitFailed || got.Answered != 0 || got.Unanswered != 6 || got.LatencyMicroseconds.Count != 6 || !near(got.LatencyMicroseconds.P50, 11e6) {
			t.Errorf("exit code %d, %+v", code, got)
		}
	})
}

// TestBenchEchoMeasuresAfterTheWarmup holds that what was due before is not counted.
func TestBenchEchoMeasuresAfterTheWarmup(t *testing.T) {
	inBubble(t, stallOnce(64, 5, 100*time.Millisecond), "echo -c 2 --rate 100 -d 3s --warmup 2s -o json x:1", func(t *testing.T, r *benchRun, code int) {
		var got bench.EchoResult
		r.result(t, &got)
		if code != app.ExitDone || got.Answered != 300 || got.LatencyMicroseconds.Max > 1 || got.WarmupSeconds != 2 || got.MeasuredSeconds != 3 || r.took != 5*time.Second {
			t.Errorf("exit code %d after %s, %+v", code, r.took, got)
		}
	})
}

// TestBenchInterruptedEndsThen holds that an interrupt is the end: what is due later is neither sent nor counted.
func TestBenchInterruptedEndsThen(t *testing.T) {
	for _, words := range []string{"echo --rate 10", "echo --rate 10 -p 3", "connect --rate 10"} {
		synctest.Test(t, func(t *testing.T) {
			var serving sync.WaitGroup
			ctx, cancel := context.WithCancel(t.Context())
			defer time.AfterFunc(3*time.Second-time.Millisecond, cancel).Stop()
			r := newBenchRun(ctx, "127.0.0.1:1")
			r.dial = piped(&serving, echoAll)
			code := r.run(words + " -c 1 -d 1h --warmup 1s -o json x:1")
			serving.Wait()
			text := r.stdout.String()
			if code != app.ExitDone || !strings.Contains(text, `"measuredSeconds":1.999,`) || !strings.Contains(text, `"interrupted":true,`) ||
				!strings.Contains(text, `"answered":20,"unanswered":0,"unsent":0,`) && !strings.Contains(text, `"cycles":20,"unfinished":0,`) {
				t.Errorf("%s: exit code %d: %s%s", words, code, text, r.stderr)
			}
		})
	}
}

// TestBenchConnectCountsWhatAStallDelays holds the same of cycles.
func TestBenchConnectCountsWhatAStallDelays(t *testing.T) {
	stall := func(number int, conn net.Conn) {
		if number == 30 {
			time.Sleep(2 * time.Second)
		}
		echoAll(number, conn)
	}
	inBubble(t, stall, "connect -c 1 --rate 10 -d 10s --warmup 0s -o json x:1", func(t *testing.T, r *benchRun, code int) {
		var got bench.ConnectResult
		r.result(t, &got)
		l := got.CycleLatencyMicroseconds
		if code != app.ExitDone || got.Cycles != 100 || got.Unfinished != 0 || l.Count != 100 || l.P50 > 1 || !near(l.P90, 1e6) || !near(l.Max, 2e6) {
			t.Errorf("exit code %d, %+v", code, got)
		}
	})
	never := func(number int, conn net.Conn) {
		if number >= 50 {
			_, _ = io.Copy(io.Discard, conn)
			return
		}
		echoAll(number, conn)
	}
	inBubble(t, never, "connect -c 1 --rate 10 -d 8s --warmup 0s --timeout 1h -o json x:1", func(t *testing.T, r *benchRun, code int) {
		var got bench.ConnectResult
		r.result(t, &got)
		l := got.CycleLatencyMicroseconds
		if code != app.ExitDone || got.Cycles != 50 || got.Unfinished != 30 || l.Count != 80 || !near(l.Max, 4e6) || got.Failures != 0 {
			t.Errorf("exit code %d, %+v", code, got)
		}
	})
	// A cycle that takes longer than --timeout has failed.
	inBubble(t, never, "connect -c 1 -d 8s --rate 10 --warmup 0s --timeout 1s -o json x:1", func(t *testing.T, r *benchRun, code int) {
		var got bench.ConnectResult
		r.result(t, &got)
		if code != app.ExitPartial || got.Cycles != 50 || got.Errors["timedOut"] == 0 {
			t.Errorf("exit code %d, %+v", code, got)
		}
	})
}

// TestBenchFindsWrongBytes holds that bytes which are changed, lost, doubled, added or of another connection make it fail.
func TestBenchFindsWrongBytes(t *testing.T) {
	var mu sync.Mutex
	var swapped atomic.Pointer[[2]chan []byte] // a server that is no longer asked may still look
	changed := func(change func(k int, message []byte) []byte) func(int, net.Conn) {
		return func(number int, conn net.Conn) {
			message := make([]byte, 64)
			for k := 0; ; k++ {
				if _, err := io.ReadFull(conn, message); err != nil {
					return
				}
				if _, err := conn.Write(change(k, slices.Clone(message))); err != nil {
					return
				}
			}
		}
	}
	servers := map[string]func(int, net.Conn){
		"one bit": changed(func(k int, m []byte) []byte {
			if k == 3 {
				m[17] ^= 4
			}
			return m
		}),
		"the same message again": changed(func() func(int, []byte) []byte {
			var first []byte
			return func(k int, m []byte) []byte {
				mu.Lock()
				defer mu.Unlock()
				if first == nil {
					first = m
				}
				if k == 3 {
					return first
				}
				return m
			}
		}()),
		"more": changed(func(k int, m []byte) []byte {
			if k == 3 {
				return append(m, m...)
			}
			return m
		}),
		"a prefix": changed(func(_ int, m []byte) []byte { return append([]byte("> "), m...) }),
		"another's": func(number int, conn net.Conn) { // two connections get each other's
			message := make([]byte, 64)
			for {
				if _, err := io.ReadFull(conn, message); err != nil {
					return
				}
				pair := swapped.Load()
				mine, theirs := pair[number%2], pair[1-number%2]
				select {
				case mine <- slices.Clone(message):
				case <-t.Context().Done():
					return
				case <-time.After(100 * time.Millisecond): // the other has gone
					return
				}
				select {
				case other := <-theirs:
					_, _ = conn.Write(other)
				case <-time.After(100 * time.Millisecond):
					return
				}
			}
		},
	}
	for name, serve := range servers {
		for _, words := range []string{"echo -c 2 -p 2 --warmup 0s -d 1h -o json", "echo -c 2 -p 2 --rate 1000 --warmup 0s -d 2s -o json"} {
			swapped.Store(&[2]chan []byte{make(chan []byte, 1), make(chan []byte, 1)})
			r := newBenchRun(t.Context(), "127.0.0.1:1")
			code := r.run(words, server(t, serve))
			var got bench.EchoResult
			r.result(t, &got)
			if code != app.ExitFailed || got.Errors[bench.FailureMismatch] == 0 || !strings.Contains(got.FirstError, "does not send back just what it receives") {
				t.Errorf("%s: %s: exit code %d, %+v", name, words, code, got)
			}
		}
	}
	// What was not sent yet cannot come back, even if it is right.
	future := func(_ int, conn net.Conn) {
		_, _ = conn.Write(bench.NewPattern().At(0, 128))
		_, _ = io.Copy(io.Discard, conn)
	}
	early := newBenchRun(t.Context(), "127.0.0.1:1")
	if code := early.run("echo -c 1 --rate 1 --warmup 0s -d 1h", server(t, future)); code != app.ExitFailed || !strings.Contains(early.stderr.String(), "more bytes came back than were sent") {
		t.Errorf("exit code %d: %s", code, early.stderr)
	}
	// connect compares too.
	r := newBenchRun(t.Context(), "127.0.0.1:1")
	code := r.run("connect -c 1 --warmup 0s -d 500ms -o json", server(t, servers["a prefix"]))
	var got bench.ConnectResult
	if r.result(t, &got); code != app.ExitFailed || got.Errors[bench.FailureMismatch] == 0 {
		t.Errorf("exit code %d, %+v", code, got)
	}
}

// TestBenchEchoNamesBrokenConnections holds that connections which end in the middle are counted by name, and that the others go on.
func TestBenchEchoNamesBrokenConnections(t *testing.T) {
	closeAfter := func(messages int, reset bool, of func(int) bool) func(int, net.Conn) {
		return func(number int, conn net.Conn) {
			if !of(number) {
				echoAll(number, conn)
				return
			}
			_, _ = io.CopyN(conn, conn, int64(64*messages))
			_, _ = io.ReadFull(conn, make([]byte, 10)) // in the middle of the next one
			if reset {
				bench.SetLinger(conn)
			}
		}
	}
	all, first := func(int) bool { return true }, func(n int) bool { return n == 0 }
	tests := []struct {
		serve  func(int, net.Conn)
		error  string
		broken int64
		code   int
	}{
		{closeAfter(5, true, first), "reset", 1, app.ExitPartial},
		{closeAfter(5, true, all), "reset", 3, app.ExitPartial}, // some messages were answered
		{closeAfter(0, true, all), "reset", 3, app.ExitFailed},
	}
	for _, tt := range tests {
		for _, words := range []string{"echo -c 3 --warmup 0s -d 300ms -o json", "echo -c 3 --rate 3000 --warmup 0s -d 300ms -o json"} {
			r := newBenchRun(t.Context(), "127.0.0.1:1")
			code := r.run(words, server(t, tt.serve))
			var got bench.EchoResult
			r.result(t, &got)
			if code != tt.code || got.Errors[tt.error] != tt.broken || got.Failures != tt.broken || got.Connected != 3 {
				t.Errorf("%s: exit code %d, %+v; expected %+v", words, code, got, tt)
			}
		}
	}
	r := newBenchRun(t.Context(), "127.0.0.1:1")
	fin := func(_ int, conn net.Conn) {
		_, _ = io.CopyN(conn, conn, 64)
		_ = conn.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, conn)
	}
	code := r.run("echo -c 1 --warmup 0s -d 1h -o json", server(t, fin))
	var got bench.EchoResult
	if r.result(t, &got); code != app.ExitPartial || got.Errors["closedByPeer"] != 1 || got.Answered != 1 || got.Unanswered != 1 || got.LatencyMicroseconds.Count != 1 {
		t.Errorf("exit code %d, %+v", code, got)
	}
}

// TestBenchWithNobody holds what happens where nobody listens.
func TestBenchWithNobody(t *testing.T) {
	for words, want := range map[string]int{
		"echo -c 300": app.ExitFailed, "connect -d 1h": app.ExitFailed, "idle -c 5": app.ExitFailed, "broadcast": app.ExitUnreachable, "events": app.ExitUnreachable,
	} {
		r := newBenchRun(t.Context(), refused(t))
		if code := r.run(words, refused(t)); code != want {
			t.Errorf("%s: exit code %d, want %d", words, code, want)
		}
		if !strings.Contains(r.stderr.String(), "connection refused") {
			t.Errorf("%s: %s", words, r.stderr)
		}
		if want == app.ExitFailed && !strings.Contains(r.stdout.String(), "(refused ") {
			t.Errorf("%s: %s", words, r.stdout)
		}
	}
}

// TestBenchGivesUp holds that it is not tried for ever where nobody listens.
func TestBenchGivesUp(t *testing.T) {
	r := newBenchRun(t.Context(), "127.0.0.1:1")
	code := r.run("echo -c 5000 -o json", refused(t))
	var got bench.EchoResult
	if r.result(t, &got); code != app.ExitFailed || got.Failures > 2*bench.Dialers {
		t.Errorf("exit code %d after %d attempts", code, got.Failures)
	}
}

// TestBenchBounds holds that what is impossible is refused before anything is opened.
func TestBenchBounds(t *testing.T) {
	for words, want := range map[string]string{
		"":                                "bench needs to know what to measure: one of broadcast, connect, echo, events, idle",
		"nothing":                         `bench "nothing" is not known`,
		"echo":                            "echo expects one ADDR, host:port or unix:///path, and was given 0 arguments",
		"echo x":                          `"x" is not an address`,
		"echo x:1 -o name":                "-o name prints IDs; bench has none",
		"echo x:1 -c 0":                   "0 connections are not possible; give 1 to 250000",
		"echo x:1 -c 250001":              "250001 connections are not possible",
		"idle x:1 -c 250000":              "raise the limit",
		"echo x:1 --size 0":               "--size 0 is not possible; give 1 to 1048576 bytes",
		"echo x:1 --size 1048577":         "--size 1048577 is not possible",
		"echo x:1 --pipeline 0":           "--pipeline 0 is not possible; give 1 to 1000",
		"echo x:1 --pipeline 1001":        "--pipeline 1001 is not possible",
		"echo x:1 -c 20000 -p 1000":       "20000 connections with 1000 messages in flight each are too many",
		"echo x:1 -d 0s":                  "--duration 0s is not possible",
		"echo x:1 -d 25h":                 "--duration 25h0m0s is not possible",
		"echo x:1 --warmup -1s":           "--warmup -1s is not possible",
		"echo x:1 --rate -1":              "--rate -1 is not possible",
		"echo x:1 --rate NaN":             "--rate NaN is not possible",
		"echo x:1 --rate 1e-9":            "--rate 1e-09 is not possible; give 0.001 to 10000000 a second",
		"echo x:1 --source here":          `--source "here" is not an IP address`,
		"echo unix:///x --source ::1":     "--source is for TCP",
		"connect x:1 --concurrency 10001": "--concurrency 10001 is not possible; give 1 to 10000",
		"connect x:1 --size -1":           "--size -1 is not possible; give 0 to",
		"broadcast x:1 --size 15":         "--size 15 is not possible; give 16 to 524288 bytes",
		"broadcast x:1 --count 0":         "--count 0 is not possible; give 1 to 1000000",
		"broadcast unix:///x":             "peers on a unix socket have no address",
		"events x:1 --streams 1001":       "--streams 1001 is not possible; give 1 to 1000",
	} {
		r := newBenchRun(t.Context(), "127.0.0.1:1")
		r.dial = func(context.Context, string, string) (net.Conn, error) {
			t.Errorf("%q: something was dialed", words)
			return nil, io.EOF
		}
		if words == "idle x:1 -c 250000" && bench.DescriptorLimit() > 250_000 {
			continue
		}
		if code := r.run(words); code != app.ExitUsage || !strings.Contains(r.stderr.String(), want) || r.stdout.String() != "" {
			t.Errorf("%q: exit code %d: %s%s", words, code, r.stdout, r.stderr)
		}
	}
	if err := bench.CheckDescriptors(1000, 1024); err == nil || !strings.Contains(err.Error(), "1000 sockets need 1032 descriptors, and this process may have 1024") ||
		!strings.Contains(err.Error(), "at most 992") {
		t.Errorf("%v", err)
	}
	if bench.CheckDescriptors(992, 1024) != nil || bench.CheckDescriptors(1e6, 0) != nil {
		t.Error("what there is room for is refused")
	}
}

// TestBenchProgress holds that progress is for terminals only, that it is wiped out, and that its colour can be turned off.
func TestBenchProgress(t *testing.T) {
	addr := server(t, echoAll)
	for _, tt := range []struct {
		terminal  bool
		variables map[string]string
		args      string
		shown     bool
		coloured  bool
	}{
		{true, nil, "", true, true},
		{false, nil, "", false, false},
		{true, map[string]string{"TERM": "dumb"}, "", false, false},
		{true, map[string]string{"NO_COLOR": "1"}, "", true, false},
		{true, nil, " --no-color", true, false},
	} {
		r := newBenchRun(t.Context(), "127.0.0.1:1")
		r.terminal, r.variables = tt.terminal, tt.variables
		if code := r.run("echo -c 1 --warmup 0s -d 300ms -o json"+tt.args, addr); code != app.ExitDone {
			t.Errorf("exit code %d: %s", code, r.stderr)
		}
		text, _, _ := strings.Cut(r.stderr.String(), "ctl: ") // notes come behind it
		if shown := strings.Contains(text, "echo       ["); shown != tt.shown || !shown && text != "" || shown && !strings.HasSuffix(text, "\r\x1b[K") {
			t.Errorf("%+v: %q", tt, text)
		}
		if coloured := strings.Contains(text, "\x1b[32m"); coloured != tt.coloured {
			t.Errorf("%+v: %q", tt, text)
		}
		if strings.Contains(r.stdout.String(), "\x1b") {
			t.Errorf("%+v: stdout %q", tt, r.stdout)
		}
	}
	if line := bench.ProgressLine(false, "echo", 0.5, "text"); line != "\r\x1b[Kecho       [############------------] text" {
		t.Errorf("%q", line)
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
