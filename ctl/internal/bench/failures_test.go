package bench

import (
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/ctltest"
)

// TestBenchFindsWrongBytes holds that bytes which are changed, lost, doubled, added or of another connection make it
// fail.
func TestBenchFindsWrongBytes(t *testing.T) {
	var mu sync.Mutex
	changed := func(change func(k int, message []byte) []byte) func(*testing.T) func(int, net.Conn) {
		return func(*testing.T) func(int, net.Conn) { return changing(change) }
	}
	servers := map[string]func(*testing.T) func(int, net.Conn){
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
		"a prefix":  changed(func(_ int, m []byte) []byte { return append([]byte("> "), m...) }),
		"another's": swapping,
	}
	for name, serve := range servers {
		for _, words := range []string{"echo -c 2 -p 2 --warmup 0s -d 1h -o json",
			"echo -c 2 -p 2 --rate 1000 --warmup 0s -d 2s -o json"} {
			r := newBenchRun(t.Context(), "127.0.0.1:1")
			code := r.run(words, ctltest.Serve(t, ctltest.Listen(t), serve(t)))
			var got echoResult
			r.result(t, &got)
			if code != app.ExitFailed || got.Errors[failureMismatch] == 0 ||
				!strings.Contains(got.FirstError, "does not send back just what it receives") {
				t.Errorf("%s: %s: exit code %d, %+v", name, words, code, got)
			}
		}
	}
	// Bytes that were not sent yet cannot come back, even if they are right.
	future := func(_ int, conn net.Conn) {
		_, _ = conn.Write(newPattern().at(0, 128))
		_, _ = io.Copy(io.Discard, conn)
	}
	early := newBenchRun(t.Context(), "127.0.0.1:1")
	if code := early.run("echo -c 1 --rate 1 --warmup 0s -d 1h",
		ctltest.Serve(t, ctltest.Listen(t), future)); code != app.ExitFailed ||
		!strings.Contains(early.stderr.String(), "more bytes came back than were sent") {
		t.Errorf("exit code %d: %s", code, early.stderr)
	}
	// connect compares too.
	r := newBenchRun(t.Context(), "127.0.0.1:1")
	code := r.run("connect -c 1 --warmup 0s -d 500ms -o json", ctltest.Serve(t, ctltest.Listen(t), servers["a prefix"](t)))
	var got connectResult
	if r.result(t, &got); code != app.ExitFailed || got.Errors[failureMismatch] == 0 {
		t.Errorf("exit code %d, %+v", code, got)
	}
}

// changing answers each message of 64 bytes with the bytes that change makes of message number k, from 0.
func changing(change func(k int, message []byte) []byte) func(int, net.Conn) {
	return func(_ int, conn net.Conn) {
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

// swapping gives each of two connections the messages of the other. A server that has no partner any more waits for the
// end of the test.
func swapping(t *testing.T) func(int, net.Conn) {
	pair := [2]chan []byte{make(chan []byte, 1), make(chan []byte, 1)}
	return func(number int, conn net.Conn) {
		message := make([]byte, 64)
		for {
			if _, err := io.ReadFull(conn, message); err != nil {
				return
			}
			select {
			case pair[number%2] <- slices.Clone(message):
			case <-t.Context().Done():
				return
			}
			select {
			case other := <-pair[1-number%2]:
				_, _ = conn.Write(other)
			case <-t.Context().Done():
				return
			}
		}
	}
}

// TestBenchEchoNamesBrokenConnections holds that connections which end in the middle are counted by name, and that the
// others go on.
func TestBenchEchoNamesBrokenConnections(t *testing.T) {
	closeAfter := func(messages int, reset bool, of func(int) bool) func(int, net.Conn) {
		return func(number int, conn net.Conn) {
			if !of(number) {
				ctltest.Echo(number, conn)
				return
			}
			_, _ = io.CopyN(conn, conn, int64(64*messages))
			_, _ = io.ReadFull(conn, make([]byte, 10)) // in the middle of the next one
			if reset {
				setLinger(conn)
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
		for _, words := range []string{"echo -c 3 --warmup 0s -d 300ms -o json",
			"echo -c 3 --rate 3000 --warmup 0s -d 300ms -o json"} {
			r := newBenchRun(t.Context(), "127.0.0.1:1")
			code := r.run(words, ctltest.Serve(t, ctltest.Listen(t), tt.serve))
			var got echoResult
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
	code := r.run("echo -c 1 --warmup 0s -d 1h -o json", ctltest.Serve(t, ctltest.Listen(t), fin))
	var got echoResult
	if r.result(t, &got); code != app.ExitPartial || got.Errors["closedByPeer"] != 1 || got.Answered != 1 ||
		got.Unanswered != 1 || got.LatencyMicroseconds.Count != 1 {
		t.Errorf("exit code %d, %+v", code, got)
	}
}
