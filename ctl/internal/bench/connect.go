package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/units"
)

func benchConnectCommand(a *app.App) *cobra.Command {
	var o churnOptions
	cmd := &cobra.Command{
		Use:   "connect ADDR",
		Short: "Measure opening and closing connections",
		Long: `Open a connection, send --size bytes and wait for them to come back, close it, and begin again,
on --concurrency goroutines. With --size 0 nothing is sent: then the system's accept queue
answers, and not yet the server.

"connect" is the time that opening took. "cycle" is the whole of it; at a fixed --rate it counts
from when the cycle was due.

The side that closes first, here ctl, keeps the port of a closed connection for a minute or so
(TIME_WAIT). For an address of 127.0.0.0/8, ctl therefore connects from 50 local addresses where
the system has them; elsewhere, name some with --source. --reset closes with a reset instead
(SO_LINGER 0), which keeps no port; the gateway then counts PEER_RESET, and unread bytes are
lost.

Exit codes: 0 done; 1 failed, or wrong bytes; 2 usage; 3 some cycles failed.`,
		Example: `  ctl bench connect 127.0.0.1:8017
  ctl bench connect --concurrency 200 --rate 2000 --duration 30s 127.0.0.1:8017`,
		Args:              app.Exactly(1, "one ADDR, host:port or unix:///path"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.RunE(func(cmd *cobra.Command, args []string) error {
			return benchConnect(cmd.Context(), a,
				args[0], o)
		}),
	}
	o.register(cmd)
	o.registerDuration(cmd, 10*time.Second, "how long to measure")
	o.registerWarmup(cmd)
	return cmd
}

func benchConnect(ctx context.Context, a *app.App, addr string, o churnOptions) error {
	if err := o.checkChurn(); err != nil {
		return err
	}
	b, err := newBench(a, addr, o.commonFlags, o.connections, true)
	if err != nil {
		return err
	}
	c := newChurn(b, o)
	b.load = measureLoad()
	c.begin(o.warmup)
	stop := showProgress(a, "connect", c.progress)
	c.measure(ctx)
	stop()
	r := c.result()
	if err := printBench(a, r); err != nil {
		return err
	}
	return b.benchExit(r.Cycles)
}

// connectResult is the output of `ctl bench connect`.
type connectResult struct {
	benchHeader
	Concurrency                int           `json:"concurrency"`
	SizeBytes                  int           `json:"sizeBytes"`
	Reset                      bool          `json:"reset"`
	Sources                    int           `json:"sources"`
	TargetPerSecond            float64       `json:"targetPerSecond"`
	WarmupSeconds              float64       `json:"warmupSeconds"`
	MeasuredSeconds            float64       `json:"measuredSeconds"`
	Cycles                     int64         `json:"cycles"`
	Unfinished                 int64         `json:"unfinished"`
	CyclesPerSecond            float64       `json:"cyclesPerSecond"`
	ConnectLatencyMicroseconds latencyReport `json:"connectLatencyMicroseconds"`
	CycleLatencyMicroseconds   latencyReport `json:"cycleLatencyMicroseconds"`
	benchFooter
}

func (c *churn) result() *connectResult {
	o := &c.options
	r := &connectResult{
		benchHeader: c.header("connect"), Concurrency: o.connections, SizeBytes: o.size, Reset: o.reset, Sources: max(1,
			len(c.sources)),
		TargetPerSecond: o.rate, WarmupSeconds: seconds(o.warmup), Cycles: c.done.Load(), Unfinished: c.unfinished.Load(),
		ConnectLatencyMicroseconds: c.connects.report(), CycleLatencyMicroseconds: c.cycles.report(),
	}
	took := max(0, max(time.Duration(c.end.Load()), c.cycles.last())-c.warm)
	r.MeasuredSeconds, r.CyclesPerSecond = seconds(took), perSecond(r.Cycles, took)
	if r.Unfinished > 0 && o.rate > 0 {
		c.note("%s cycles were due and not done by the end: at this rate the server, or --concurrency %d, does not keep up",
			countText(r.Unfinished), o.connections)
	}
	r.benchFooter = c.benchmark.footer(r.CycleLatencyMicroseconds)
	return r
}

func (r *connectResult) table(_ *app.App, s *app.Sections, t *app.Table) {
	s.Row("load", r.loadText())
	s.Row("cycles", fmt.Sprintf("%s in %s, %s unfinished", countText(r.Cycles), secondsText(r.MeasuredSeconds),
		countText(r.Unfinished)))
	s.Row("throughput", rateText(r.CyclesPerSecond))
	addLatency(t, "connect", r.ConnectLatencyMicroseconds)
	addLatency(t, "cycle", r.CycleLatencyMicroseconds)
}

func (r *connectResult) loadText() string {
	text := fmt.Sprintf("%d at once from %s, ", r.Concurrency, countOf(r.Sources, "local address", "local addresses"))
	if r.SizeBytes > 0 {
		text += units.HumanBytes(uint64(r.SizeBytes)) + " echoed, "
	}
	if r.Reset {
		text += "closed with a reset, "
	}
	if r.TargetPerSecond > 0 {
		return text + rateText(r.TargetPerSecond)
	}
	return text + "as fast as possible"
}

func countOf(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
