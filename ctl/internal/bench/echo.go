package bench

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/units"
)

const (
	maxPipeline     = 1000
	maxBenchWindows = 10_000_000 // messages in flight, of all connections together
	// lockstepBytes is how much one connection may have in flight for one goroutine to write and read in turn: any socket
	// has room for it, so that the write does not wait for the read of the same goroutine.
	lockstepBytes   = 16 << 10
	maxReadBuffer   = 64 << 10
	allReadBuffers  = 256 << 20
	leastReadBuffer = 4 << 10
)

type echoOptions struct {
	commonFlags
	pipeline int
}

func benchEchoCommand(a *app.App) *cobra.Command {
	var o echoOptions
	cmd := &cobra.Command{
		Use:   "echo ADDR",
		Short: "Measure round trips through an echo server",
		Long: `Send messages over many connections to a server that sends them back, and measure round trips.
Every byte that comes back is compared: lost, doubled, changed and misdirected bytes make the
benchmark fail.

Without --rate, each connection has --pipeline messages in flight all the time. With --rate,
messages are due at fixed times, evenly spread over the connections, with at most --pipeline in
flight on each. A message that cannot be sent when it is due, because the window is full, is
sent late, and its latency counts from when it was due. Messages that are unanswered, or due and
unsent, at the end count with the time that they have waited by then; those of a connection that
broke are only counted.

ADDR is host:port or unix:///path.

Exit codes: 0 done; 1 failed, or wrong bytes; 2 usage; 3 some connections failed.`,
		Example: `  ctl bench echo 127.0.0.1:8017
  ctl bench echo -c 1000 --size 256 --rate 20000 --duration 30s -o json 127.0.0.1:8017`,
		Args:              app.Exactly(1, "one ADDR, host:port or unix:///path"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.RunE(func(cmd *cobra.Command, args []string) error {
			return benchEcho(cmd.Context(), a, args[0],
				o)
		}),
	}
	o.registerConnections(cmd)
	o.registerSize(cmd, 64, "bytes of a message, 1 to 1 MiB")
	cmd.Flags().IntVarP(&o.pipeline, "pipeline", "p", 1, "most messages in flight on a connection, 1 to 1,000")
	o.registerDuration(cmd, 10*time.Second, "how long to measure")
	o.registerWarmup(cmd)
	o.registerRate(cmd, "messages a second, over all connections")
	o.registerSource(cmd)
	o.tls.Register(cmd)
	app.CompleteFlag(cmd, "pipeline")
	return cmd
}

func (o *echoOptions) checkEcho() error {
	if err := o.check(1, maxBenchBytes); err != nil {
		return err
	}
	if o.pipeline < 1 || o.pipeline > maxPipeline {
		return app.Usagef("--pipeline %d is not possible; give 1 to %d", o.pipeline, maxPipeline)
	}
	if o.pipeline*o.connections > maxBenchWindows {
		return app.Usagef("%d connections with %d messages in flight each are too many; their product may be %d",
			o.connections, o.pipeline, maxBenchWindows)
	}
	return nil
}

// echoBench is one run of `ctl bench echo`.
type echoBench struct {
	*benchmark
	options echoOptions
	pattern pattern
	warm    time.Duration // measuring begins
	from    time.Duration // sending begins
	trips   *latencies
	late    *latencies // by how much ctl itself was late in sending, at a fixed rate
	conns   []*echoConn
}

func benchEcho(ctx context.Context, a *app.App, addr string, o echoOptions) error {
	if err := o.checkEcho(); err != nil {
		return err
	}
	b, err := newBench(a, addr, o.commonFlags, o.connections, false)
	if err != nil {
		return err
	}
	e := &echoBench{benchmark: b, options: o, pattern: newPattern(), trips: newLatencies(), late: newLatencies()}
	opened := b.open(ctx, o.connections)
	defer opened.close()
	for i, socket := range opened.sockets {
		e.conns = append(e.conns, newEchoConn(e, i, socket))
	}
	b.load = measureLoad()
	if len(e.conns) > 0 && !b.interrupted {
		e.measure(ctx)
	}
	r := e.result(opened)
	if err := printBench(a, r); err != nil {
		return err
	}
	return b.benchExit(r.Answered)
}

// measure sends and receives until the end.
func (e *echoBench) measure(ctx context.Context) {
	e.from = e.now()
	e.warm = e.from + e.options.warmup
	stop := showProgress(e.app, "echo", e.progress)
	defer stop()
	e.run(ctx, e.warm+e.options.duration, func() {
		var working sync.WaitGroup
		for _, c := range e.conns {
			working.Go(c.run)
		}
		working.Wait()
	}, func() {
		for _, c := range e.conns {
			_ = c.socket.SetDeadline(past)
		}
	})
	at := e.now()
	for _, c := range e.conns {
		c.settle(at)
	}
}

// past is a deadline that ends a read or a write at once.
var past = time.Unix(1, 0)

func (e *echoBench) progress() (float64, string) {
	now, n := e.now(), e.trips.count()
	length := e.options.warmup + e.options.duration
	text := "warming up"
	if now > e.warm {
		text = fmt.Sprintf("%s messages, %s", countText(n), rateText(perSecond(n, now-e.warm)))
	}
	return float64(now-e.from) / float64(length), text
}

// due is when message k of connection i is to be sent at the fixed rate: connections take turns.
func (e *echoBench) due(i int, k int64) time.Duration {
	turn := float64(k)*float64(len(e.conns)) + float64(i)
	return e.from + time.Duration(turn/e.options.rate*float64(time.Second))
}

// readBuffer is how much a connection reads at once: no more than can come, and not too much for all of them together.
func (e *echoBench) readBuffer() int {
	fair := max(leastReadBuffer, allReadBuffers/max(1, e.options.connections))
	return min(e.options.size*e.options.pipeline, maxReadBuffer, fair)
}

// echoResult is the output of `ctl bench echo`.
type echoResult struct {
	benchHeader
	Connections          int            `json:"connections"`
	Connected            int            `json:"connected"`
	ConnectSeconds       float64        `json:"connectSeconds"`
	ConnectsPerSecond    float64        `json:"connectsPerSecond"`
	SizeBytes            int            `json:"sizeBytes"`
	Pipeline             int            `json:"pipeline"`
	TargetPerSecond      float64        `json:"targetPerSecond"`
	WarmupSeconds        float64        `json:"warmupSeconds"`
	MeasuredSeconds      float64        `json:"measuredSeconds"`
	Messages             int64          `json:"messages"`
	Answered             int64          `json:"answered"`
	Unanswered           int64          `json:"unanswered"`
	Unsent               int64          `json:"unsent"`
	MessagesPerSecond    float64        `json:"messagesPerSecond"`
	BytesPerSecond       float64        `json:"bytesPerSecond"`
	LatencyMicroseconds  latencyReport  `json:"latencyMicroseconds"`
	SendLateMicroseconds *latencyReport `json:"sendLateMicroseconds"`
	benchFooter
}

func (e *echoBench) result(o *opened) *echoResult {
	r := &echoResult{
		benchHeader: e.header("echo"), Connections: e.options.connections, Connected: len(o.sockets),
		ConnectSeconds: seconds(o.took), ConnectsPerSecond: o.perSecond(),
		SizeBytes: e.options.size, Pipeline: e.options.pipeline, TargetPerSecond: e.options.rate,
		WarmupSeconds:       seconds(e.options.warmup),
		LatencyMicroseconds: e.trips.report(),
	}
	for _, c := range e.conns {
		r.Answered += c.measured
		r.Unanswered += c.unanswered
		r.Unsent += c.unsent
	}
	r.Messages = r.Answered + r.Unanswered + r.Unsent
	if len(e.conns) > 0 {
		took := max(0, max(time.Duration(e.end.Load()), e.trips.last())-e.warm)
		r.MeasuredSeconds, r.MessagesPerSecond = seconds(took), perSecond(r.Answered, took)
		r.BytesPerSecond = perSecond(r.Answered*int64(e.options.size), took)
	}
	if e.options.rate > 0 {
		late := e.late.report()
		r.SendLateMicroseconds = &late
		if late.P99 > 1000 && late.P99 > r.LatencyMicroseconds.P99/4 {
			e.note("ctl itself sent late (p99 %s) although it could have sent: latencies that are not longer than that are "+
				"its timers' and its machine's", latencyText(late.P99))
		}
	}
	if waiting := r.Unanswered + r.Unsent; waiting > 0 && e.options.rate > 0 {
		e.note("%s of %s messages due had no answer by the end; at this rate the server, or --pipeline %d, does not keep up",
			countText(waiting), countText(r.Messages), e.options.pipeline)
	}
	r.benchFooter = e.benchmark.footer(r.LatencyMicroseconds)
	return r
}

func (r *echoResult) table(_ *app.App, s *app.Sections, t *app.Table) {
	s.Row("connections", connectedText(r.Connected, r.Connections, r.ConnectsPerSecond, r.ConnectSeconds))
	s.Row("load", r.loadText())
	s.Row("messages", fmt.Sprintf("%s in %s: %s answered, %s unanswered, %s unsent", countText(r.Messages),
		secondsText(r.MeasuredSeconds),
		countText(r.Answered), countText(r.Unanswered), countText(r.Unsent)))
	s.Row("throughput", fmt.Sprintf("%s, %s/s each way", rateText(r.MessagesPerSecond),
		units.HumanBytes(uint64(r.BytesPerSecond))))
	addLatency(t, "round trip", r.LatencyMicroseconds)
	if r.SendLateMicroseconds != nil {
		addLatency(t, "sent late", *r.SendLateMicroseconds)
	}
}

func (r *echoResult) loadText() string {
	text := fmt.Sprintf("%s a message, %d in flight a connection, ", units.HumanBytes(uint64(r.SizeBytes)), r.Pipeline)
	if r.TargetPerSecond > 0 {
		return text + rateText(r.TargetPerSecond)
	}
	return text + "as fast as possible"
}
