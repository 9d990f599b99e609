package bench

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/units"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const (
	maxBroadcasts = 1_000_000
	benchLabel    = "ctl-bench"
)

type broadcastOptions struct {
	commonFlags
	count int
}

func benchBroadcastCommand(a *app.App) *cobra.Command {
	var o broadcastOptions
	cmd := &cobra.Command{
		Use:   "broadcast ADDR",
		Short: "Measure broadcasts through the control plane",
		Long: `Open connections to a gateway's data plane, and broadcast to them through its control plane
(--gateway), one broadcast after the other. Only these connections receive anything: ctl finds
them by their addresses and gives them the label "ctl-bench" with a value of this run, and the
broadcasts have a filter for that. Connections of others are not touched.

"reply" is the time until the control plane answered, "delivery" until a connection had received
all of a broadcast, and "all" until every target had. At a fixed --rate, they count from when
the broadcast was due. Every received byte is compared with the one that was sent.

ADDR must be a TCP address, and neither a proxy nor address translation may be between ctl and
the gateway.

Exit codes: 0 done; 1 failed, or wrong bytes; 2 usage; 3 some connections did not get
everything; 6 the control plane cannot be reached.`,
		Example:           `  ctl bench broadcast -c 1000 --size 1024 --count 500 127.0.0.1:8017`,
		Args:              app.Exactly(1, "one ADDR, host:port"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.RunE(func(cmd *cobra.Command, args []string) error {
			return benchBroadcast(cmd.Context(), a,
				args[0], o)
		}),
	}
	o.registerConnections(cmd)
	o.registerSize(cmd, 128, "bytes of a broadcast, 16 to 512 KiB")
	cmd.Flags().IntVar(&o.count, "count", 100, "broadcasts, 1 to 1,000,000")
	o.registerDuration(cmd, time.Minute, "how long it may take")
	o.registerRate(cmd, "broadcasts a second; the next one still waits until all have got the one before")
	o.registerSource(cmd)
	app.CompleteFlag(cmd, "count")
	return cmd
}

// broadcastBench is one run of `ctl bench broadcast`.
type broadcastBench struct {
	*benchmark
	options broadcastOptions
	client  *app.Client
	opened  *opened
	pattern pattern
	filter  string
	from    time.Duration

	replies, deliveries, all *latencies
	outcomes                 broadcastOutcomes
	broadcasts               int64
	received                 int64 // deliveries
	undelivered              int64
	took                     time.Duration

	mu    sync.Mutex
	round broadcastRound
}

// broadcastOutcomes are the sums of the replies' counts.
type broadcastOutcomes struct {
	Matched uint64 `json:"matched"`
	Written uint64 `json:"written"`
	Queued  uint64 `json:"queued"`
	Dropped uint64 `json:"dropped"`
	Closed  uint64 `json:"closed"`
}

func (o *broadcastOptions) checkBroadcast() error {
	if err := o.check(broadcastHeader, app.MaxBroadcastBytes); err != nil {
		return err
	}
	if o.count < 1 || o.count > maxBroadcasts {
		return app.Usagef("--count %d is not possible; give 1 to %d", o.count, maxBroadcasts)
	}
	return nil
}

func benchBroadcast(ctx context.Context, a *app.App, addr string, o broadcastOptions) error {
	if err := o.checkBroadcast(); err != nil {
		return err
	}
	b, err := newBench(a, addr, o.commonFlags, o.connections, false)
	if err != nil {
		return err
	}
	if b.network != "tcp" {
		return app.Usagef("%s is not possible here: peers on a unix socket have no address to find them by; give host:port",
			addr)
	}
	return a.WithClient(func(c *app.Client) error { return runBroadcast(ctx, a, b, c, o) })
}

// runBroadcast opens the connections, measures, and prints the result.
func runBroadcast(ctx context.Context, a *app.App, b *benchmark, client *app.Client, o broadcastOptions) error {
	if _, err := describe(ctx, client); err != nil { // before anything is opened
		return err
	}
	x := &broadcastBench{benchmark: b, options: o, client: client, pattern: newPattern(), replies: newLatencies(),
		deliveries: newLatencies(), all: newLatencies()}
	x.opened = b.open(ctx, o.connections)
	defer x.opened.close()
	if len(x.opened.sockets) > 0 && !b.interrupted {
		if err := x.label(ctx); err != nil {
			return err
		}
		b.load = measureLoad()
		x.measure(ctx)
	}
	if err := printBench(a, x.result()); err != nil {
		return err
	}
	if err := b.benchExit(x.broadcasts); err != nil || x.undelivered+int64(x.outcomes.Dropped+x.outcomes.Closed) == 0 {
		return err
	}
	return app.ExitWith(app.ExitPartial)
}

// describe asks the gateway to describe itself.
func describe(ctx context.Context, c *app.Client) (*pb.GetGatewayResponse, error) {
	return app.Call(ctx, c, app.API.GetGateway, &pb.GetGatewayRequest{})
}

// measure broadcasts until the count or the time is over.
func (x *broadcastBench) measure(ctx context.Context) {
	stop := showProgress(x.app, "broadcast", x.progress)
	defer stop()
	x.from = x.now()
	var reading sync.WaitGroup
	for i, socket := range x.opened.sockets {
		r := &broadcastReader{benchmark: x, socket: socket, deliveries: x.deliveries.shard(i)}
		reading.Go(r.run)
	}
	cutting, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	x.run(ctx, x.from+x.options.duration, func() { x.broadcastAll(cutting) }, cut)
	x.took = x.now() - x.from
	for _, socket := range x.opened.sockets {
		_ = socket.SetReadDeadline(past)
	}
	reading.Wait()
}

func (x *broadcastBench) progress() (float64, string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return float64(x.round.number) / float64(x.options.count), fmt.Sprintf("%d of %d broadcasts", x.round.number,
		x.options.count)
}

func (x *broadcastBench) broadcastAll(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n := range int64(x.options.count) {
		due := x.now()
		if x.options.rate > 0 {
			due = x.from + time.Duration(float64(n)/x.options.rate*float64(time.Second))
		}
		if x.ended(due) || !x.sleepUntil(due, timer) || !x.broadcast(ctx, n, due) {
			return
		}
	}
}

// broadcast does one and waits until every target has it; false means no more broadcasts.
func (x *broadcastBench) broadcast(ctx context.Context, number int64, due time.Duration) bool {
	complete := x.begin(number, due)
	callCtx, cancel := x.client.Within(ctx, 0)
	defer cancel()
	resp, err := x.client.Broadcast(callCtx, &pb.BroadcastRequest{Data: broadcastPayload(x.pattern, number,
		x.options.size), Filter: x.filter})
	if err != nil {
		if ctx.Err() == nil {
			x.failures.add(&controlError{err})
		}
		return false
	}
	x.replies.shard(0).record(x.now() - due)
	x.outcomes.add(resp)
	x.expect(int64(resp.GetWritten() + resp.GetQueued()))
	select {
	case <-complete:
	case <-callCtx.Done():
		if ctx.Err() == nil {
			x.failures.add(fmt.Errorf("not everybody had received broadcast %d within %s: %w", number, x.app.Timeout,
				context.DeadlineExceeded))
		}
	}
	x.finish()
	return true
}

func (o *broadcastOutcomes) add(resp *pb.BroadcastResponse) {
	o.Matched, o.Written, o.Queued = o.Matched+resp.GetMatched(), o.Written+resp.GetWritten(), o.Queued+resp.GetQueued()
	o.Dropped, o.Closed = o.Dropped+resp.GetDropped(), o.Closed+resp.GetClosed()
}

// broadcastRound is one broadcast on its way.
type broadcastRound struct {
	number   int64
	due      time.Duration
	received int64
	wanted   int64 // -1 until the reply says how many are to get it
	last     time.Duration
	complete chan struct{}
}

func (x *broadcastBench) begin(number int64, due time.Duration) (complete <-chan struct{}) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.round = broadcastRound{number: number, due: due, wanted: -1, complete: make(chan struct{})}
	return x.round.complete
}

// expect sets how many connections are to get the broadcast; some of them may have it already.
func (x *broadcastBench) expect(n int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.round.wanted = n
	if x.round.received >= n {
		close(x.round.complete)
	}
}

// delivered is called by a reader that has all of a broadcast. A late one counts as missing, and is no error.
func (x *broadcastBench) delivered(number int64, latencies *latencyShard) error {
	now := x.now()
	x.mu.Lock()
	defer x.mu.Unlock()
	r := &x.round
	if number > r.number {
		return &mismatchError{fmt.Sprintf("broadcast %d came before it was sent", number)}
	}
	if number < r.number {
		return nil
	}
	latencies.record(now - r.due)
	r.received, r.last = r.received+1, max(r.last, now)
	if r.received == r.wanted {
		close(r.complete)
	}
	return nil
}

// finish counts the broadcast.
func (x *broadcastBench) finish() {
	x.mu.Lock()
	defer x.mu.Unlock()
	r := &x.round
	x.broadcasts++
	x.received += r.received
	if r.received >= r.wanted {
		if r.wanted > 0 {
			x.all.shard(0).record(r.last - r.due)
		}
		return
	}
	x.undelivered += r.wanted - r.received
}

// broadcastResult is the output of `ctl bench broadcast`.
type broadcastResult struct {
	benchHeader
	Connections                 int               `json:"connections"`
	Connected                   int               `json:"connected"`
	SizeBytes                   int               `json:"sizeBytes"`
	TargetPerSecond             float64           `json:"targetPerSecond"`
	MeasuredSeconds             float64           `json:"measuredSeconds"`
	Broadcasts                  int64             `json:"broadcasts"`
	BroadcastsPerSecond         float64           `json:"broadcastsPerSecond"`
	Deliveries                  int64             `json:"deliveries"`
	DeliveriesPerSecond         float64           `json:"deliveriesPerSecond"`
	BytesPerSecond              float64           `json:"bytesPerSecond"`
	Undelivered                 int64             `json:"undelivered"`
	Outcomes                    broadcastOutcomes `json:"outcomes"`
	ReplyLatencyMicroseconds    latencyReport     `json:"replyLatencyMicroseconds"`
	DeliveryLatencyMicroseconds latencyReport     `json:"deliveryLatencyMicroseconds"`
	AllLatencyMicroseconds      latencyReport     `json:"allLatencyMicroseconds"`
	benchFooter
}

func (x *broadcastBench) result() *broadcastResult {
	o := &x.options
	r := &broadcastResult{
		benchHeader: x.header("broadcast"), Connections: o.connections, Connected: len(x.opened.sockets), SizeBytes: o.size,
		TargetPerSecond: o.rate,
		MeasuredSeconds: seconds(x.took), Broadcasts: x.broadcasts, BroadcastsPerSecond: perSecond(x.broadcasts, x.took),
		Deliveries: x.received, DeliveriesPerSecond: perSecond(x.received,
			x.took), BytesPerSecond: perSecond(x.received*int64(o.size), x.took),
		Undelivered: x.undelivered, Outcomes: x.outcomes, ReplyLatencyMicroseconds: x.replies.report(),
		DeliveryLatencyMicroseconds: x.deliveries.report(), AllLatencyMicroseconds: x.all.report(),
	}
	if r.Broadcasts < int64(o.count) && !x.interrupted && x.failures.total() == 0 {
		x.note("%d of %d broadcasts were done when the --duration was over", r.Broadcasts, o.count)
	}
	if lost := r.Outcomes.Dropped + r.Outcomes.Closed; lost > 0 {
		x.note("%d deliveries were refused: the gateway answered dropped or closed", lost)
	}
	r.benchFooter = x.benchmark.footer(r.DeliveryLatencyMicroseconds)
	return r
}

func (r *broadcastResult) table(_ *app.App, s *app.Sections, t *app.Table) {
	s.Row("connections", fmt.Sprintf("%s of %s", countText(int64(r.Connected)), countText(int64(r.Connections))))
	s.Row("broadcasts", fmt.Sprintf("%s of %s in %s, %s", countText(r.Broadcasts), units.HumanBytes(uint64(r.SizeBytes)),
		secondsText(r.MeasuredSeconds),
		rateText(r.BroadcastsPerSecond)))
	s.Row("deliveries", fmt.Sprintf("%s, %s, %s/s; %s missing", countText(r.Deliveries), rateText(r.DeliveriesPerSecond),
		units.HumanBytes(uint64(r.BytesPerSecond)), countText(r.Undelivered)))
	o := &r.Outcomes
	s.Row("outcomes", fmt.Sprintf("matched %d, written %d, queued %d, dropped %d, closed %d", o.Matched, o.Written,
		o.Queued, o.Dropped, o.Closed))
	addLatency(t, "reply", r.ReplyLatencyMicroseconds)
	addLatency(t, "delivery", r.DeliveryLatencyMicroseconds)
	addLatency(t, "all", r.AllLatencyMicroseconds)
}
