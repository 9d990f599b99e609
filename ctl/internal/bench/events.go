package bench

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/loopback"
)

const maxBenchStreams = 1000

type eventsBenchOptions struct {
	churnOptions
	streams int
	filter  string
	data    bool
}

func benchEventsCommand(a *app.App) *cobra.Command {
	var o eventsBenchOptions
	cmd := &cobra.Command{
		Use:   "events ADDR",
		Short: "Measure event streams while connections come and go",
		Long: `Follow a gateway's events on several streams of its control plane (--gateway), each over a
network connection of its own, while connections are opened, used and closed at its data plane,
ADDR, as by "ctl bench connect". Afterwards ctl waits until the streams have caught up.

"lag" is the time from an event to its arrival here, by the clocks of both; it is known only
where they are one clock, for a control plane on a loopback address or a unix socket. "missed"
counts the events that the streams' GAPs stand for. Without --filter, the sequences of the
events are checked too: one that is missing without a GAP makes the benchmark fail.

Events of connections that others have are followed too, and counted.

Exit codes: 0 done; 1 failed, or events were missing silently; 2 usage; 3 some connections or
streams failed; 6 the control plane cannot be reached.`,
		Example:           `  ctl bench events --streams 10 --concurrency 50 --rate 2000 127.0.0.1:8017`,
		Args:              app.Exactly(1, "one ADDR, host:port or unix:///path"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.RunE(func(cmd *cobra.Command, args []string) error {
			return benchEvents(cmd.Context(), a,
				args[0], o)
		}),
	}
	o.register(cmd)
	o.registerDuration(cmd, 10*time.Second, "how long connections come and go")
	cmd.Flags().IntVarP(&o.streams, "streams", "s", 10, "event streams, 1 to 1,000")
	cmd.Flags().StringVar(&o.filter, "filter", "", app.FilterHelp+"; empty means all events")
	cmd.Flags().BoolVar(&o.data, "data", false, "follow DATA too")
	app.CompleteFlag(cmd, "streams")
	app.CompleteFlag(cmd, "filter")
	return cmd
}

// eventsBench is one run of `ctl bench events`.
type eventsBench struct {
	*churn
	options eventsBenchOptions
	readers []*eventReader
	lag     *latencies
	took    time.Duration
}

func benchEvents(ctx context.Context, a *app.App, addr string, o eventsBenchOptions) error {
	if err := o.checkChurn(); err != nil {
		return err
	}
	if o.streams < 1 || o.streams > maxBenchStreams {
		return app.Usagef("--streams %d is not possible; give 1 to %d", o.streams, maxBenchStreams)
	}
	b, err := newBench(a, addr, o.commonFlags, o.connections+o.streams, true)
	if err != nil {
		return err
	}
	e := &eventsBench{churn: newChurn(b, o.churnOptions), options: o, lag: newLatencies()}
	if err := a.WithClient(func(asker *app.Client) error { return e.follow(ctx, asker) }); err != nil {
		return err
	}
	if err := printBench(a, e.result()); err != nil {
		return err
	}
	return b.benchExit(e.total(func(r *eventReader) int64 { return r.received }))
}

// follow opens the streams, churns, and waits for the streams to catch up.
func (e *eventsBench) follow(ctx context.Context, asker *app.Client) error {
	start, err := describe(ctx, asker)
	if err != nil {
		return err
	}
	streaming, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	if err := e.openStreams(streaming, start.GetCursor()); err != nil {
		return err
	}
	var reading sync.WaitGroup
	for _, r := range e.readers {
		reading.Go(r.run)
	}
	e.load = measureLoad()
	e.begin(0)
	stop := showProgress(e.app, "events", e.progress)
	e.measure(ctx)
	e.catchUp(streaming, asker)
	e.took = e.now() - e.from
	stop()
	cut()
	reading.Wait()
	for _, r := range e.readers {
		r.close()
		if r.silent > 0 {
			e.failures.add(&mismatchError{fmt.Sprintf("%d events were missing without a GAP on one stream", r.silent)})
		}
	}
	return nil
}

// openStreams opens all streams behind one cursor, so that each gets the same.
func (e *eventsBench) openStreams(ctx context.Context, cursor string) error {
	for i := range e.options.streams {
		r, err := openEventReader(ctx, e, cursor, i)
		if err != nil {
			for _, r := range e.readers {
				r.close()
			}
			return err
		}
		e.readers = append(e.readers, r)
	}
	return nil
}

// catchUp waits, within the timeout, until each stream has delivered everything that had happened by now.
func (e *eventsBench) catchUp(ctx context.Context, asker *app.Client) {
	head, err := describe(ctx, asker)
	if err != nil {
		e.failures.add(&controlError{err})
		return
	}
	end, err := app.ParsePosition(head.GetCursor())
	if err != nil {
		e.failures.add(err)
		return
	}
	late := time.NewTimer(e.app.Timeout)
	defer late.Stop()
	behind := 0
	for _, r := range e.readers {
		select {
		case <-r.reaches(end):
		case <-r.ended:
		case <-late.C:
			late.Reset(0)
			behind++
		}
	}
	if behind > 0 {
		e.failures.add(fmt.Errorf("%s had not caught up within %s: %w", countOf(behind, "stream", "streams"), e.app.Timeout,
			context.DeadlineExceeded))
	}
}

func (e *eventsBench) total(of func(*eventReader) int64) (sum int64) {
	for _, r := range e.readers {
		sum += of(r)
	}
	return sum
}

// eventsResult is the output of `ctl bench events`. An unknown value is null.
type eventsResult struct {
	benchHeader
	Streams                  int            `json:"streams"`
	Concurrency              int            `json:"concurrency"`
	SizeBytes                int            `json:"sizeBytes"`
	Data                     bool           `json:"data"`
	Filter                   string         `json:"filter"`
	TargetPerSecond          float64        `json:"targetPerSecond"`
	MeasuredSeconds          float64        `json:"measuredSeconds"`
	Cycles                   int64          `json:"cycles"`
	CyclesPerSecond          float64        `json:"cyclesPerSecond"`
	Events                   int64          `json:"events"`
	EventsPerSecond          float64        `json:"eventsPerSecond"`
	EventsPerSecondPerStream streamSpread   `json:"eventsPerSecondPerStream"`
	Gaps                     int64          `json:"gaps"`
	Missed                   int64          `json:"missed"`
	MissedData               int64          `json:"missedData"`
	MissedUnknown            int64          `json:"missedUnknown"`
	Silent                   *int64         `json:"silent"`
	LagMicroseconds          *latencyReport `json:"lagMicroseconds"`
	benchFooter
}

// streamSpread is a figure of each stream, over all streams.
type streamSpread struct {
	Least  float64 `json:"least"`
	Median float64 `json:"median"`
	Most   float64 `json:"most"`
}

func (e *eventsBench) result() *eventsResult {
	o := &e.options
	r := &eventsResult{
		benchHeader: e.header("events"), Streams: o.streams, Concurrency: o.connections, SizeBytes: o.size, Data: o.data,
		Filter:          o.filter,
		TargetPerSecond: o.rate, MeasuredSeconds: seconds(e.took), Cycles: e.done.Load(),
		CyclesPerSecond: perSecond(e.done.Load(), e.took),
		Events:          e.total(func(r *eventReader) int64 { return r.received }),
		Gaps:            e.total(func(r *eventReader) int64 { return r.gaps }),
		Missed:          e.total(func(r *eventReader) int64 { return r.missed }),
		MissedData:      e.total(func(r *eventReader) int64 { return r.missedData }),
		MissedUnknown:   e.total(func(r *eventReader) int64 { return r.missedUnknown }),
	}
	r.EventsPerSecond = perSecond(r.Events, e.took)
	rates := make([]float64, 0, len(e.readers))
	for _, s := range e.readers {
		rates = append(rates, perSecond(s.received, e.took))
	}
	slices.Sort(rates)
	r.EventsPerSecondPerStream = streamSpread{Least: rates[0], Median: rates[len(rates)/2], Most: rates[len(rates)-1]}
	if o.filter == "" {
		silent := e.total(func(r *eventReader) int64 { return r.silent })
		r.Silent = &silent
	}
	var lag latencyReport
	if loopback.OnThisMachine(e.readers[0].client.Addr) {
		lag = e.lag.report()
		r.LagMicroseconds = &lag
	} else {
		e.note("the lag is not known: the gateway at %s has a clock of its own", e.readers[0].client.Addr)
	}
	if r.Gaps > 0 {
		e.note("streams had GAPs: they, or ctl, were slower than the events; a greater --event-log-size of the gateway " +
			"bridges more")
	}
	r.benchFooter = e.benchmark.footer(lag)
	return r
}

func (r *eventsResult) table(_ *app.App, s *app.Sections, t *app.Table) {
	s.Row("streams", countText(int64(r.Streams)))
	s.Row("connections", fmt.Sprintf("%s came and went in %s, %s", countText(r.Cycles), secondsText(r.MeasuredSeconds),
		rateText(r.CyclesPerSecond)))
	s.Row("events", fmt.Sprintf("%s on all streams, %s", countText(r.Events), rateText(r.EventsPerSecond)))
	p := &r.EventsPerSecondPerStream
	s.Row("each stream", fmt.Sprintf("%s (least %s, most %s)", rateText(p.Median), rateText(p.Least), rateText(p.Most)))
	s.Row("gaps", fmt.Sprintf("%s, %s events missed, %s of them DATA", countText(r.Gaps), countText(r.Missed+r.MissedData),
		countText(r.MissedData)))
	if r.LagMicroseconds != nil {
		addLatency(t, "lag", *r.LagMicroseconds)
	} else {
		s.Row("lag", "not known")
	}
}
