package bench

import (
	"bytes"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spf13/cobra"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/backend"
	"github.com/sockgate/sockgate/ctl/internal/ctltest"
)

// measureHandler measures one connection to serve in a bubble of synctest, without instances.
func measureHandler(t *testing.T, serve func(int, net.Conn), o handlerOptions,
	check func(t *testing.T, r *handlerResult)) {
	synctest.Test(t, func(t *testing.T) {
		var serving sync.WaitGroup
		out := ctltest.NewOutput()
		app.Run(t.Context(), []string{"-o", "json"}, app.Env{Stdin: strings.NewReader(""), Stdout: out, Stderr: out,
			Dial: piped(&serving, serve)}, func(a *app.App) *cobra.Command {
			return &cobra.Command{Use: "ctl", RunE: a.RunE(func(cmd *cobra.Command, _ []string) error {
				b, err := newBench(a, "x:1", o.commonFlags, 1, false)
				if err != nil {
					t.Fatal(err)
				}
				b.drain = handlerSettle
				h := &handlerBench{benchmark: b, options: &o, pattern: newPattern(), trips: newLatencies(),
					backends: &backend.Set{}}
				opened := b.open(cmd.Context(), 1)
				h.conns = append(h.conns, newHandlerConn(h, 0, opened.sockets[0]))
				h.measure(cmd.Context())
				opened.close()
				check(t, h.result(opened))
				return nil
			})}
		})
		serving.Wait()
	})
}

func handlerLoad(rate float64, inFlight int) handlerOptions {
	return handlerOptions{commonFlags: commonFlags{connections: 1, size: 64, duration: 10 * time.Second, rate: rate},
		instances: 1, inFlight: inFlight}
}

// A back end that stalls shows in the longest pause, and at a rate in the latencies of all that was due meanwhile.
func TestBenchHandlerPause(t *testing.T) {
	for _, inFlight := range []int{1, 7} {
		o := handlerLoad(100, inFlight)
		measureHandler(t, stallOnce(64, 300, 2*time.Second), o, func(t *testing.T, r *handlerResult) {
			l := r.LatencyMicroseconds
			if !r.exact() || r.Sent != 1000 || r.Unsent != 0 || l.Count != 1000 || r.LongestPauseMicroseconds != 2e6 ||
				!near(l.P99, 1.9e6) || !near(l.Max, 2e6) || l.P50 > 1 || r.MeasuredSeconds != 10 {
				t.Errorf("in flight %d: %+v", inFlight, r)
			}
		})
	}
}

// What has no answer 10 s after the end is lost, and what was due and could not be sent is counted.
func TestBenchHandlerLost(t *testing.T) {
	measureHandler(t, stallOnce(64, 500, time.Hour), handlerLoad(100, 1), func(t *testing.T, r *handlerResult) {
		if r.exact() || r.Lost != 1 || r.Answered != 500 || r.Unsent != 499 || r.ClosedConnections != 0 ||
			!near(r.LongestPauseMicroseconds, 15e6) || !near(r.LatencyMicroseconds.Max, 14.99e6) {
			t.Errorf("%+v", r)
		}
	})
}

// Each fault of a back end has its count: an answer that comes twice, and one that comes behind the next.
func TestBenchHandlerFaults(t *testing.T) {
	twice := altered(func(k int, m []byte) []byte {
		if k == 5 {
			return append(bytes.Clone(m), m...)
		}
		return m
	})
	measureHandler(t, twice, handlerLoad(10, 3), func(t *testing.T, r *handlerResult) {
		if r.exact() || r.Doubled != 1 || r.Sent != 100 || r.Answered != 100 || r.Lost+r.OutOfOrder != 0 {
			t.Errorf("%+v", r)
		}
	})
	var held []byte
	swapped := altered(func(k int, m []byte) []byte {
		switch k {
		case 5:
			held = bytes.Clone(m)
			return nil
		case 6:
			return append(bytes.Clone(m), held...)
		}
		return m
	})
	measureHandler(t, swapped, handlerLoad(10, 3), func(t *testing.T, r *handlerResult) {
		if r.exact() || r.OutOfOrder != 1 || r.Sent != 100 || r.Answered != 100 || r.Lost+r.Doubled != 0 ||
			!near(r.LongestPauseMicroseconds, 1e5) {
			t.Errorf("%+v", r)
		}
	})
}

// A message that is lost ends the sending when as many as may be in flight follow it.
func TestBenchHandlerLosesOne(t *testing.T) {
	lossy := altered(func(k int, m []byte) []byte {
		if k == 5 {
			return nil
		}
		return m
	})
	measureHandler(t, lossy, handlerLoad(10, 3), func(t *testing.T, r *handlerResult) {
		if r.exact() || r.Lost != 1 || r.Sent != 8 || r.Answered != 7 || r.Doubled+r.OutOfOrder != 0 || r.Failures != 0 {
			t.Errorf("%+v", r)
		}
	})
}
