package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/units"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

func benchIdleCommand(a *app.App) *cobra.Command {
	var o commonFlags
	cmd := &cobra.Command{
		Use:   "idle ADDR",
		Short: "Measure the cost of idle connections",
		Long: `Open many connections and hold them. ctl asks the gateway's control plane (--gateway), before
and after, for the memory and the goroutines of its process: the difference, divided by the
connections, is the cost of one. Where the control plane does not answer, or is not the one of
ADDR, the cost is reported as not known.

A process keeps memory that it once had for a while, and uses it again. For a true slope, ask a
gateway that has not held as many connections before, and hold a few thousand at least. The
kernel's socket buffers are not the process's memory.

Exit codes: 0 done; 1 failed; 2 usage; 3 some connections failed or did not last.`,
		Example:           `  ctl bench idle -c 10000 --duration 10s 127.0.0.1:8017`,
		Args:              app.Exactly(1, "one ADDR, host:port or unix:///path"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.RunE(func(cmd *cobra.Command, args []string) error {
			return benchIdle(cmd.Context(), a, args[0],
				o)
		}),
	}
	o.registerConnections(cmd)
	o.registerDuration(cmd, 5*time.Second, "how long to hold them")
	o.registerSource(cmd)
	o.tls.Register(cmd)
	return cmd
}

// idleBench is one run of `ctl bench idle`.
type idleBench struct {
	*benchmark
	client *app.Client
	opened *opened
	lost   atomic.Int64
	held   time.Duration
	from   time.Duration
	before *pb.GetGatewayResponse // nil where the control plane has not answered
	after  *pb.GetGatewayResponse
	why    string // the costs are not known
}

func benchIdle(ctx context.Context, a *app.App, addr string, o commonFlags) error {
	if err := o.check(0, 0); err != nil {
		return err
	}
	b, err := newBench(a, addr, o, o.connections, false)
	if err != nil {
		return err
	}
	i := &idleBench{benchmark: b}
	return a.WithClient(func(c *app.Client) error {
		i.client = c
		return i.measure(ctx)
	})
}

// measure opens the connections, holds them, and prints their cost.
func (i *idleBench) measure(ctx context.Context) error {
	b, o := i.benchmark, i.flags
	b.load = measureLoad()
	i.before = i.ask(ctx)
	i.opened = b.open(ctx, o.connections)
	defer i.opened.close()
	if len(i.opened.sockets) > 0 && !b.interrupted {
		i.hold(ctx)
	}
	if err := printBench(i.app, i.result()); err != nil {
		return err
	}
	return b.benchExit(int64(len(i.opened.sockets)) - i.lost.Load())
}

// ask asks the control plane; nil without an answer.
func (i *idleBench) ask(ctx context.Context) *pb.GetGatewayResponse {
	if i.why != "" {
		return nil
	}
	resp, err := describe(ctx, i.client)
	if err != nil {
		i.why = app.Sentence(err)
		return nil
	}
	return resp
}

// hold keeps the connections, watches for those that end, and asks the gateway at the end, while they are still there.
func (i *idleBench) hold(ctx context.Context) {
	i.from = i.now()
	stop := showProgress(i.app, "idle", func() (float64, string) {
		return float64(i.now()-i.from) / float64(i.flags.duration), fmt.Sprintf("%s connections, %s lost",
			countText(int64(len(i.opened.sockets))), countText(i.lost.Load()))
	})
	defer stop()
	var watchers sync.WaitGroup
	for _, socket := range i.opened.sockets {
		watchers.Go(func() { i.watch(socket) })
	}
	i.run(ctx, i.from+i.flags.duration, func() {
		lasted := make(chan struct{})
		go func() { watchers.Wait(); close(lasted) }() // ends when the watchers do
		select {
		case <-lasted:
		case <-i.stopped:
		}
	}, func() {})
	i.held = i.now() - i.from
	i.after = i.ask(context.WithoutCancel(ctx))
	for _, socket := range i.opened.sockets {
		_ = socket.SetReadDeadline(past)
	}
	watchers.Wait()
}

// watch reads until the connection ends, and ignores a greeting. Its buffer is small, because each connection has one.
func (i *idleBench) watch(socket net.Conn) {
	var buffer [64]byte
	for {
		_, err := socket.Read(buffer[:])
		switch {
		case err == nil:
		case failureName(err) == "timedOut" && i.stopping():
			return
		default:
			if errors.Is(err, io.EOF) {
				err = fmt.Errorf("the server closed an idle connection: %w", err)
			}
			i.lost.Add(1)
			i.failures.add(err)
			return
		}
	}
}

// idleResult is the output of `ctl bench idle`. An unknown value is null.
type idleResult struct {
	benchHeader
	Connections                int           `json:"connections"`
	Connected                  int           `json:"connected"`
	Lost                       int64         `json:"lost"`
	ConnectSeconds             float64       `json:"connectSeconds"`
	ConnectsPerSecond          float64       `json:"connectsPerSecond"`
	HeldSeconds                float64       `json:"heldSeconds"`
	ConnectLatencyMicroseconds latencyReport `json:"connectLatencyMicroseconds"`
	Gateway                    *idleCost     `json:"gateway"`
	benchFooter
}

// idleCost is the gateway's use of memory before and after, and for each connection that it accepted meanwhile.
type idleCost struct {
	Engine                     string   `json:"engine"`
	ResidentBytesBefore        uint64   `json:"residentBytesBefore"`
	ResidentBytesAfter         uint64   `json:"residentBytesAfter"`
	HeapBytesBefore            uint64   `json:"heapBytesBefore"`
	HeapBytesAfter             uint64   `json:"heapBytesAfter"`
	GoroutinesBefore           uint64   `json:"goroutinesBefore"`
	GoroutinesAfter            uint64   `json:"goroutinesAfter"`
	ResidentBytesPerConnection *float64 `json:"residentBytesPerConnection"`
	GoroutinesPerConnection    float64  `json:"goroutinesPerConnection"`
}

func (i *idleBench) result() *idleResult {
	o := i.opened
	r := &idleResult{
		benchHeader: i.header("idle"), Connections: i.flags.connections, Connected: len(o.sockets), Lost: i.lost.Load(),
		ConnectSeconds: seconds(o.took), ConnectsPerSecond: o.perSecond(), HeldSeconds: seconds(i.held),
		ConnectLatencyMicroseconds: o.latencies.report(), Gateway: i.cost(),
	}
	if r.Gateway == nil && i.why != "" {
		i.note("what a connection costs the gateway is not known: %s", i.why)
	}
	r.benchFooter = i.benchmark.footer(latencyReport{})
	return r
}

// cost compares the gateway before and after. If the difference says nothing about these connections, it returns nil,
// with the reason in why.
func (i *idleBench) cost() *idleCost {
	held := int64(len(i.opened.sockets)) - i.lost.Load()
	if i.before == nil || i.after == nil || held == 0 {
		return nil
	}
	before, after := i.before.GetProcess(), i.after.GetProcess()
	accepted := int64(i.after.GetTotals().GetAccepted()) - int64(i.before.GetTotals().GetAccepted())
	grown := int64(i.after.GetTotals().GetConnections()) - int64(i.before.GetTotals().GetConnections())
	switch {
	case after == nil || before == nil:
		i.why = fmt.Sprintf("the gateway at %s is of a version that does not tell", i.client.Addr)
		return nil
	case i.before.GetIncarnation() != i.after.GetIncarnation():
		i.why = fmt.Sprintf("the gateway at %s was restarted meanwhile", i.client.Addr)
		return nil
	case accepted < held:
		i.why = fmt.Sprintf("the gateway at %s has accepted %d connections meanwhile, and %d are held here: it is not the "+
			"control plane of %s; name "+
			"the right one with --gateway", i.client.Addr, accepted, held, i.address)
		return nil
	case grown < held*9/10:
		i.why = fmt.Sprintf("the gateway at %s has only %d connections more than before, and %d are held here: others "+
			"ended meanwhile; try again",
			i.client.Addr, grown, held)
		return nil
	}
	c := &idleCost{
		Engine: i.after.GetEngine(), ResidentBytesBefore: before.GetResidentBytes(),
		ResidentBytesAfter: after.GetResidentBytes(),
		HeapBytesBefore:    before.GetHeapBytes(), HeapBytesAfter: after.GetHeapBytes(),
		GoroutinesBefore: before.GetGoroutines(), GoroutinesAfter: after.GetGoroutines(),
		GoroutinesPerConnection: rounded((float64(after.GetGoroutines()) - float64(before.GetGoroutines())) / float64(grown)),
	}
	if before.GetResidentBytes() > 0 && after.GetResidentBytes() > 0 {
		slope := rounded((float64(after.GetResidentBytes()) - float64(before.GetResidentBytes())) / float64(grown))
		c.ResidentBytesPerConnection = &slope
		if grown < 1000 {
			i.note("%d connections are few for a slope: a process grows in steps; hold a few thousand", grown)
		}
	} else {
		i.note("the gateway's resident memory is not known: it tells it on Linux only")
	}
	return c
}

func (r *idleResult) table(_ *app.App, s *app.Sections, t *app.Table) {
	s.Row("connections", connectedText(r.Connected, r.Connections, r.ConnectsPerSecond, r.ConnectSeconds))
	s.Row("held", fmt.Sprintf("%s, %s lost", secondsText(r.HeldSeconds), countText(r.Lost)))
	addLatency(t, "connect", r.ConnectLatencyMicroseconds)
	c := r.Gateway
	if c == nil {
		s.Row("memory", "not known")
		return
	}
	if slope := c.ResidentBytesPerConnection; slope == nil {
		s.Row("memory", "not known")
	} else {
		s.Row("memory", fmt.Sprintf("%s a connection (resident %s -> %s)", signedBytes(*slope),
			units.HumanBytes(c.ResidentBytesBefore), units.HumanBytes(c.ResidentBytesAfter)))
	}
	s.Row("heap", fmt.Sprintf("%s -> %s", units.HumanBytes(c.HeapBytesBefore), units.HumanBytes(c.HeapBytesAfter)))
	s.Row("goroutines", fmt.Sprintf("%.3g a connection (%d -> %d), engine %s", c.GoroutinesPerConnection,
		c.GoroutinesBefore, c.GoroutinesAfter, c.Engine))
}

func signedBytes(n float64) string {
	if n < 0 {
		return "-" + units.HumanBytes(uint64(-n))
	}
	return units.HumanBytes(uint64(n))
}
