package bench

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/backend"
)

const (
	maxInstances  = 256
	leastDisturb  = 100 * time.Millisecond // between two ends of instances
	handlerSettle = 10 * time.Second       // for the answers at the end: a frozen instance is noticed after so long
)

const handlerLong = `Start instances of an echo back end in this process, attach them to the remote handler NAME by
way of the control plane (--gateway), and send numbered messages over many connections to
--address, the data-plane listener whose handler is remote:NAME. Every byte that comes back is
compared. Each message must come back once, and in order: lost, doubled and disordered messages
and connections that the gateway closes make the benchmark fail.

--kill-every cuts an instance off at once, each time, and starts another; --restart-every starts
one, and drains another. ctl handlers drain may drain one too, and another takes its place. No
other program should be attached to the handler. The listener's frame is raw, or fixed:N with
the --size as N.

Without --rate, each connection has --in-flight messages on their way all the time. With --rate,
messages are due at fixed times, evenly spread over the connections, and latencies count from
then. The longest pause is the longest time that a connection waited for its next answer. What
has no answer 10 s after the end is lost.

Exit codes: 0 done; 1 failed, or not exact; 2 usage; 3 some connections or instances failed; 4 no
listener has the handler; 5 the caller may not attach; 6 the control plane cannot be reached.`

type handlerOptions struct {
	commonFlags
	address   string
	instances int
	inFlight  int
	killEvery time.Duration
	restart   time.Duration
}

func benchHandlerCommand(a *app.App) *cobra.Command {
	var o handlerOptions
	cmd := &cobra.Command{
		Use:   "handler NAME --address ADDR",
		Short: "Measure a remote handler, and check that no message is lost or doubled",
		Long:  handlerLong,
		Example: `  ctl bench handler chat --address 127.0.0.1:7000
  ctl bench handler chat --address 127.0.0.1:7000 --rate 5000 --kill-every 1s -d 1m -o json`,
		Args:              app.Exactly(1, "the NAME of one handler"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.RunE(func(cmd *cobra.Command, args []string) error {
			return benchHandler(cmd.Context(), a, args[0], &o)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&o.address, "address", "", "`ADDR` of the listener, host:port or unix:///path")
	f.IntVar(&o.instances, "instances", 2, "instances of the back end, 1 to 256")
	f.IntVar(&o.inFlight, "in-flight", 1, "most messages on their way on a connection, 1 to 1,000")
	f.DurationVar(&o.killEvery, "kill-every", 0, "cut an instance off so often, from 100ms on (default never)")
	f.DurationVar(&o.restart, "restart-every", 0, "drain an instance so often, from 100ms on (default never)")
	o.registerConnections(cmd)
	o.registerSize(cmd, 64, "bytes of a message, 16 to 1 MiB")
	o.registerDuration(cmd, 10*time.Second, "how long to measure")
	o.registerWarmup(cmd)
	o.registerRate(cmd, "messages a second, over all connections")
	o.registerSource(cmd)
	o.tls.Register(cmd)
	for _, name := range []string{"address", "instances", "in-flight", "kill-every", "restart-every"} {
		app.CompleteFlag(cmd, name)
	}
	return cmd
}

// checkHandler holds the bounds.
func (o *handlerOptions) checkHandler(name string) error {
	if err := o.check(numberedHeader, maxBenchBytes); err != nil {
		return err
	}
	for flag, d := range map[string]time.Duration{"kill-every": o.killEvery, "restart-every": o.restart} {
		if d != 0 && (d < leastDisturb || d > maxBenchDuration) {
			return app.Usagef("--%s %s is not possible; give %s to %s, or 0 for never", flag, d, leastDisturb, maxBenchDuration)
		}
	}
	switch {
	case !app.HandlerName.MatchString(name):
		return app.Usagef("%.50q is no handler's name; expected 1 to 32 of a-z, 0-9 and -, as ctl handlers shows them", name)
	case o.address == "":
		return app.Usagef("the listener is not named; give --address ADDR, the address of one with handler=remote:%s", name)
	case o.instances < 1 || o.instances > maxInstances:
		return app.Usagef("--instances %d is not possible; give 1 to %d", o.instances, maxInstances)
	case o.inFlight < 1 || o.inFlight > maxPipeline:
		return app.Usagef("--in-flight %d is not possible; give 1 to %d", o.inFlight, maxPipeline)
	case o.inFlight*o.connections > maxBenchWindows:
		return app.Usagef("%d connections with %d messages in flight each are too many; their product may be %d",
			o.connections, o.inFlight, maxBenchWindows)
	}
	return nil
}

// lanes are the most instances at once: those that drain count too.
func (o *handlerOptions) lanes() int {
	if o.restart == 0 {
		return o.instances + 1
	}
	return o.instances + 1 + int(backend.Drain/o.restart)
}

// handlerBench is one run of `ctl bench handler`.
type handlerBench struct {
	*benchmark
	options  *handlerOptions
	handler  string
	backends *backend.Set
	pattern  pattern
	warm     time.Duration // measuring begins
	from     time.Duration // sending begins
	trips    *latencies
	conns    []*handlerConn
}

func benchHandler(ctx context.Context, a *app.App, name string, o *handlerOptions) error {
	if err := o.checkHandler(name); err != nil {
		return err
	}
	b, err := newBench(a, o.address, o.commonFlags, o.connections+o.lanes(), false)
	if err != nil {
		return err
	}
	b.drain = handlerSettle
	h := &handlerBench{benchmark: b, options: o, handler: name, pattern: newPattern(), trips: newLatencies()}
	if h.backends, err = backend.Start(a, name, o.instances, b.failures.add); err != nil {
		return err
	}
	defer h.backends.Close()
	opened := b.open(ctx, o.connections)
	defer opened.close()
	for i, socket := range opened.sockets {
		h.conns = append(h.conns, newHandlerConn(h, i, socket))
	}
	b.load = measureLoad()
	if len(h.conns) > 0 && !b.interrupted {
		h.measure(ctx)
	}
	r := h.result(opened)
	if err := printBench(a, r); err != nil {
		return err
	}
	return h.exit(r)
}

// measure sends and receives until the end, and ends instances meanwhile.
func (h *handlerBench) measure(ctx context.Context) {
	h.from = h.now()
	h.warm = h.from + h.options.warmup
	stop := showProgress(h.app, "handler", h.progress)
	defer stop()
	var disturbing sync.WaitGroup
	disturbing.Go(h.disturb)
	h.run(ctx, h.warm+h.options.duration, func() {
		var working sync.WaitGroup
		for _, c := range h.conns {
			working.Go(c.run)
		}
		working.Wait()
	}, func() {
		for _, c := range h.conns {
			_ = c.socket.SetDeadline(past)
		}
	})
	disturbing.Wait()
	at := h.now()
	for _, c := range h.conns {
		c.settle(at)
	}
}

// disturb ends instances until sending ends.
func (h *handlerBench) disturb() {
	kill, stopKill := every(h.options.killEvery)
	defer stopKill()
	restart, stopRestart := every(h.options.restart)
	defer stopRestart()
	for {
		select {
		case <-kill:
			h.backends.Kill()
		case <-restart:
			h.backends.Restart()
		case <-h.stopped:
			return
		}
	}
}

// every ticks each d; never at 0.
func every(d time.Duration) (ticks <-chan time.Time, stop func()) {
	if d == 0 {
		return nil, func() {}
	}
	ticker := time.NewTicker(d)
	return ticker.C, ticker.Stop
}

// due is when message k of connection i is to be sent at the fixed rate: connections take turns.
func (h *handlerBench) due(i int, k int64) time.Duration {
	turn := float64(k)*float64(len(h.conns)) + float64(i)
	return h.from + time.Duration(turn/h.options.rate*float64(time.Second))
}

// readBuffer is how much a connection reads at once.
func (h *handlerBench) readBuffer() int {
	fair := max(leastReadBuffer, allReadBuffers/max(1, h.options.connections))
	return min(h.options.size*h.options.inFlight, maxReadBuffer, fair)
}

// record takes one round trip of connection i.
func (h *handlerBench) record(i int, at, now time.Duration) {
	s := h.trips.shard(i)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(now - at)
	s.last = max(s.last, now)
}

func (h *handlerBench) progress() (float64, string) {
	now, n := h.now(), h.trips.count()
	text := "warming up"
	if now > h.warm {
		text = fmt.Sprintf("%s messages, %s", countText(n), rateText(perSecond(n, now-h.warm)))
	}
	return float64(now-h.from) / float64(h.options.warmup+h.options.duration), text
}
