// Package bench is `ctl bench`, a load generator for gateways: round trips, churn, idle connections, broadcasts, event
// streams and remote handlers, each a command with a report.
package bench

import (
	"context"
	"crypto/tls"
	"fmt"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/sockgate/sockgate/ctl/internal/app"
)

// The bounds of a benchmark: one process that holds more measures itself.
const (
	maxBenchConnections = 250_000
	maxBenchBytes       = 1 << 20
	maxBenchRate        = 10_000_000
	leastBenchRate      = 0.001
	maxBenchDuration    = 24 * time.Hour

	maxDialers = 128         // connections that are being opened at once
	benchDrain = time.Second // how long answers may still come, by default
)

const benchLong = `Put load on a server and measure it.

echo and connect need only the address of a data plane; any other echo server will do. idle asks
the control plane (--gateway) for the daemon's memory, if it can. broadcast, events and handler
drive the control plane and need it.

Latencies are kept in a histogram with three significant digits. At a fixed --rate they count
from the moment at which something was due, and not from when it was begun, so that a stall
shows in everything that it delayed.

Ctrl-C ends a benchmark early, and prints the measurements until then. The output is a table or,
with -o json, one object, with numbers as numbers. Load takes processors: the result includes
the possible cost of ctl itself. Where that matters, run it on another machine.

Exit codes: 0 done; 1 failed, or wrong bytes; 2 usage; 3 some connections failed; 6 the control
plane cannot be reached.`

// Command is `ctl bench` with its benchmarks.
func Command(a *app.App) *cobra.Command {
	cmd := &cobra.Command{Use: "bench", Short: "Put load on a gateway, or on another server, and measure", Long: benchLong}
	cmd.AddCommand(benchEchoCommand(a), benchConnectCommand(a), benchIdleCommand(a), benchBroadcastCommand(a),
		benchEventsCommand(a), benchHandlerCommand(a))
	return a.Noun(cmd, "measure")
}

// commonFlags are the flags that several benchmarks share.
type commonFlags struct {
	connections int
	size        int
	duration    time.Duration
	warmup      time.Duration
	rate        float64
	sources     []string
	tls         app.DataTLS
}

func (o *commonFlags) registerConnections(cmd *cobra.Command) {
	cmd.Flags().IntVarP(&o.connections, "connections", "c", 100, "connections, 1 to 250,000")
	app.CompleteFlag(cmd, "connections")
}

func (o *commonFlags) registerDuration(cmd *cobra.Command, d time.Duration, usage string) {
	cmd.Flags().DurationVarP(&o.duration, "duration", "d", d, usage+", at most 24h")
	app.CompleteFlag(cmd, "duration")
}

func (o *commonFlags) registerWarmup(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&o.warmup, "warmup", time.Second, "load before measuring begins, at most 24h")
	app.CompleteFlag(cmd, "warmup")
}

func (o *commonFlags) registerSize(cmd *cobra.Command, size int, usage string) {
	cmd.Flags().IntVar(&o.size, "size", size, usage)
	app.CompleteFlag(cmd, "size")
}

func (o *commonFlags) registerRate(cmd *cobra.Command, what string) {
	cmd.Flags().Float64Var(&o.rate, "rate", 0, what+"; 0 means as fast as possible")
	app.CompleteFlag(cmd, "rate")
}

func (o *commonFlags) registerSource(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&o.sources, "source", nil,
		"local `IP` to connect from (repeatable, taken in turn); by default several of 127.0.0.0/8 for a loopback address, "+
			"where one has too few ports")
	app.CompleteFlag(cmd, "source")
}

// check holds the bounds; least is the smallest size.
func (o *commonFlags) check(least, most int) error {
	switch {
	case o.connections < 1 || o.connections > maxBenchConnections:
		return app.Usagef("%d connections are not possible; give 1 to %d", o.connections, maxBenchConnections)
	case o.size < least || o.size > most:
		return app.Usagef("--size %d is not possible; give %d to %d bytes", o.size, least, most)
	case o.duration <= 0 || o.duration > maxBenchDuration:
		return app.Usagef("--duration %s is not possible; give more than 0 and at most %s, for example 10s", o.duration,
			maxBenchDuration)
	case o.warmup < 0 || o.warmup > maxBenchDuration:
		return app.Usagef("--warmup %s is not possible; give 0 to %s", o.warmup, maxBenchDuration)
	case o.rate != 0 && !(o.rate >= leastBenchRate && o.rate <= maxBenchRate): // NaN too
		return app.Usagef("--rate %g is not possible; give %g to %d a second, or 0 for as fast as possible", o.rate,
			leastBenchRate, maxBenchRate)
	}
	return nil
}

// benchmark is one run of a benchmark.
type benchmark struct {
	app     *app.App
	network string
	address string
	secure  *tls.Config // nil: no TLS
	flags   commonFlags
	sources []net.Addr // local addresses, taken in turn; none: the system's choice

	begun       time.Time     // now() counts from here
	end         atomic.Int64  // the reading of now() when sending ends
	stopped     chan struct{} // closed: that has come
	interrupted bool          // it came early; read only when run has returned
	drain       time.Duration // how long answers may still come when sending has ended

	failures failures
	load     clientLoad
	notes    []string
}

// newBench checks everything that can be known before the first socket is opened. sockets is the most that will be
// open at once.
func newBench(a *app.App, addr string, flags commonFlags, sockets int, churn bool) (*benchmark, error) {
	if !a.Structured() && !a.Tabular() {
		return nil, app.Usagef("-o %s prints IDs; bench has none: use table or json", a.Output)
	}
	network, address, err := app.DialTarget(addr)
	if err != nil {
		return nil, err
	}
	if err := checkDescriptors(sockets, descriptorLimit()); err != nil {
		return nil, err
	}
	b := &benchmark{app: a, network: network, address: address, flags: flags, begun: time.Now(),
		stopped: make(chan struct{}), drain: benchDrain}
	b.end.Store(math.MaxInt64)
	if b.secure, err = a.DataConfig(&b.flags.tls, address); err != nil {
		return nil, err
	}
	if b.sources, err = sourceAddresses(network, address, flags.sources, sockets, churn); err != nil {
		return nil, err
	}
	return b, nil
}

// spareDescriptors are for standard streams, the control plane, and Go's poller.
const spareDescriptors = 32

// checkDescriptors refuses a run that would fail half-way; limit 0 means no limit.
func checkDescriptors(sockets, limit int) error {
	if limit == 0 || sockets+spareDescriptors <= limit {
		return nil
	}
	return app.Usagef("%d sockets need %d descriptors, and this process may have %d; raise the limit (ulimit -Hn %d, "+
		"ulimit -n %d, as root) or ask "+
		"for at most %d", sockets, sockets+spareDescriptors, limit, sockets+spareDescriptors, sockets+spareDescriptors, max(1,
		limit-spareDescriptors))
}

func (b *benchmark) now() time.Duration { return time.Since(b.begun) }

// ended reports whether nothing new is to be begun at t.
func (b *benchmark) ended(t time.Duration) bool { return t >= time.Duration(b.end.Load()) }

// awaitDue waits until t. It returns false when nothing more is to be sent then: the benchmark has ended, or gone
// closed.
func (b *benchmark) awaitDue(t time.Duration, timer *time.Timer, gone <-chan struct{}) bool {
	wait := t - b.now()
	if wait <= 0 {
		return true
	}
	timer.Reset(wait)
	select {
	case <-timer.C:
		return true
	case <-b.stopped:
		return !b.ended(t)
	case <-gone:
		return false
	}
}

// stopping reports whether the end has come, in time or early.
func (b *benchmark) stopping() bool {
	select {
	case <-b.stopped:
		return true
	default:
		return false
	}
}

// run calls work and returns when it has returned. At the reading `until` of now(), or when ctx ends, it sets the end
// and closes stopped. After a time for answers that are under way it calls cut; then work must return.
func (b *benchmark) run(ctx context.Context, until time.Duration, work, cut func()) {
	b.end.Store(int64(until))
	var working sync.WaitGroup
	done := make(chan struct{})
	working.Go(func() { defer close(done); work() })
	defer working.Wait()
	timer := time.NewTimer(until - b.now())
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	case <-ctx.Done():
		b.interrupted = true
	}
	b.end.Store(min(b.end.Load(), int64(b.now())))
	close(b.stopped)
	timer.Reset(b.drain)
	select {
	case <-done:
	case <-timer.C:
		cut()
	}
}

// sleepUntil waits until t; false means that nothing more is to be begun at t.
func (b *benchmark) sleepUntil(t time.Duration, timer *time.Timer) bool {
	wait := t - b.now()
	if wait <= 0 {
		return !b.ended(t)
	}
	timer.Reset(wait)
	select {
	case <-timer.C:
		return true
	case <-b.stopped:
		return !b.ended(t)
	}
}

// note adds a remark that the reader of the result must know.
func (b *benchmark) note(format string, args ...any) {
	b.notes = append(b.notes, fmt.Sprintf(format, args...))
}
