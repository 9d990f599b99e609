package bench

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/ctltest"
)

// TestBenchEchoCountsWhatAStallDelays holds that at a fixed rate a stall of 2 s shows in the 200 messages that were due
// meanwhile, and not only in the one that was under way.
func TestBenchEchoCountsWhatAStallDelays(t *testing.T) {
	for _, pipeline := range []string{"1", "7"} {
		inBubble(t, stallOnce(64, 300, 2*time.Second),
			"echo -c 1 --rate 100 -d 10s --warmup 0s -o json x:1 --pipeline "+pipeline, func(t *testing.T, r *benchRun,
				code int) {
				var got echoResult
				r.result(t, &got)
				l := got.LatencyMicroseconds
				if code != app.ExitDone || got.Messages != 1000 || got.Answered != 1000 || got.Unanswered+got.Unsent != 0 ||
					l.Count != 1000 {
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

// TestBenchEchoCountsWhatHasNoAnswer holds that messages which the end finds unanswered, or due and unsent, count with
// their wait.
func TestBenchEchoCountsWhatHasNoAnswer(t *testing.T) {
	inBubble(t, stallOnce(64, 500, time.Hour), "echo -c 1 --rate 100 -d 10s --warmup 0s -o json x:1",
		func(t *testing.T, r *benchRun, code int) {
			var got echoResult
			r.result(t, &got)
			l := got.LatencyMicroseconds
			if code != app.ExitDone || got.Messages != 1000 || got.Answered != 500 || got.Unanswered != 1 || got.Unsent != 499 ||
				l.Count != 1000 {
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
	// As fast as possible, messages under way count too.
	inBubble(t, stallOnce(64, 0, time.Hour), "echo -c 3 -p 2 -d 10s --warmup 0s -o json x:1",
		func(t *testing.T, r *benchRun, code int) {
			var got echoResult
			r.result(t, &got)
			if code != app.ExitFailed || got.Answered != 0 || got.Unanswered != 6 || got.LatencyMicroseconds.Count != 6 ||
				!near(got.LatencyMicroseconds.P50, 11e6) {
				t.Errorf("exit code %d, %+v", code, got)
			}
		})
}

// TestBenchEchoMeasuresAfterTheWarmup holds that messages due before the warmup's end are not counted.
func TestBenchEchoMeasuresAfterTheWarmup(t *testing.T) {
	inBubble(t, stallOnce(64, 5, 100*time.Millisecond), "echo -c 2 --rate 100 -d 3s --warmup 2s -o json x:1",
		func(t *testing.T, r *benchRun, code int) {
			var got echoResult
			r.result(t, &got)
			if code != app.ExitDone || got.Answered != 300 || got.LatencyMicroseconds.Max > 1 || got.WarmupSeconds != 2 ||
				got.MeasuredSeconds != 3 || r.took != 5*time.Second {
				t.Errorf("exit code %d after %s, %+v", code, r.took, got)
			}
		})
}

// TestBenchInterruptedEndsThen holds that an interrupt is the end: messages due later are neither sent nor counted.
func TestBenchInterruptedEndsThen(t *testing.T) {
	for _, words := range []string{"echo --rate 10", "echo --rate 10 -p 3", "connect --rate 10"} {
		synctest.Test(t, func(t *testing.T) {
			var serving sync.WaitGroup
			ctx, cancel := context.WithCancel(t.Context())
			defer time.AfterFunc(3*time.Second-time.Millisecond, cancel).Stop()
			r := newBenchRun(ctx, "127.0.0.1:1")
			r.dial = piped(&serving, ctltest.Echo)
			code := r.run(words + " -c 1 -d 1h --warmup 1s -o json x:1")
			serving.Wait()
			text := r.stdout.String()
			if code != app.ExitDone || !strings.Contains(text, `"measuredSeconds":1.999,`) ||
				!strings.Contains(text, `"interrupted":true,`) ||
				!strings.Contains(text, `"answered":20,"unanswered":0,"unsent":0,`) &&
					!strings.Contains(text, `"cycles":20,"unfinished":0,`) {
				t.Errorf("%s: exit code %d: %s%s", words, code, text, r.stderr)
			}
		})
	}
}

// TestBenchConnectCountsWhatAStallDelays holds that at a fixed rate a stall of 2 s shows in all cycles that were due
// meanwhile.
func TestBenchConnectCountsWhatAStallDelays(t *testing.T) {
	stall := func(number int, conn net.Conn) {
		if number == 30 {
			time.Sleep(2 * time.Second)
		}
		ctltest.Echo(number, conn)
	}
	inBubble(t, stall, "connect -c 1 --rate 10 -d 10s --warmup 0s -o json x:1", func(t *testing.T, r *benchRun, code int) {
		var got connectResult
		r.result(t, &got)
		l := got.CycleLatencyMicroseconds
		if code != app.ExitDone || got.Cycles != 100 || got.Unfinished != 0 || l.Count != 100 || l.P50 > 1 ||
			!near(l.P90, 1e6) || !near(l.Max, 2e6) {
			t.Errorf("exit code %d, %+v", code, got)
		}
	})
	never := func(number int, conn net.Conn) {
		if number >= 50 {
			_, _ = io.Copy(io.Discard, conn)
			return
		}
		ctltest.Echo(number, conn)
	}
	inBubble(t, never, "connect -c 1 --rate 10 -d 8s --warmup 0s --timeout 1h -o json x:1",
		func(t *testing.T, r *benchRun, code int) {
			var got connectResult
			r.result(t, &got)
			l := got.CycleLatencyMicroseconds
			if code != app.ExitDone || got.Cycles != 50 || got.Unfinished != 30 || l.Count != 80 || !near(l.Max, 4e6) ||
				got.Failures != 0 {
				t.Errorf("exit code %d, %+v", code, got)
			}
		})
	// A cycle that takes longer than --timeout has failed.
	inBubble(t, never, "connect -c 1 -d 8s --rate 10 --warmup 0s --timeout 1s -o json x:1",
		func(t *testing.T, r *benchRun, code int) {
			var got connectResult
			r.result(t, &got)
			if code != app.ExitPartial || got.Cycles != 50 || got.Errors["timedOut"] == 0 {
				t.Errorf("exit code %d, %+v", code, got)
			}
		})
}
